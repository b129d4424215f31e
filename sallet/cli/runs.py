"""`sallet runs DIR`: the runs in a folder, what they are and how far they got."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path

from rich import box
from rich.table import Table

from sallet.cli.ending import say
from sallet.cli.terminal import console
from sallet.core.errors import SalletError, WrongFolder
from sallet.core.goal import Outcome
from sallet.runs.store import Store


@dataclass(frozen=True)
class Run:
    """One line of the list; `planned` is None where the run is of a format that did not say.

    `scored` names the run whose answers `judge` judged again; `judge` is None where each
    benchmark's own did.
    """

    folder: str
    recipe: str
    digest: str
    begun: str
    sallet: str
    rows: int
    planned: int | None
    unassessed: int
    seconds: float
    scored: str | None
    judge: str | None

    @property
    def state(self) -> str:
        """Whether the run got to its end."""
        if self.planned is None:
            return "?"
        return "whole" if self.rows >= self.planned else f"{self.rows / self.planned:.0%}"


def run(args: argparse.Namespace) -> int:
    """Lists every run in the folder, or the folder itself if it is one."""
    if not args.folder.is_dir():
        raise WrongFolder(f"there is no folder {args.folder}; say where your runs are")
    found = list(_found(args.folder))
    if args.json:
        print(json.dumps({"runs": [{**asdict(one), "state": one.state} for one in found]}))
    elif found:
        console().print(_table(found))
    else:
        say(f"no run in {args.folder}")
    return 0


def _found(folder: Path) -> Iterator[Run]:
    folders = [folder] if _is_run(folder) else sorted(folder.iterdir())
    for path in folders:
        if _is_run(path):
            try:
                yield _run(path)
            except SalletError as error:
                say(f"note: {error}")


def _is_run(path: Path) -> bool:
    published = (path / "rows.jsonl.gz").exists() and (path / "summary.json").exists()
    return (path / "manifest.json").exists() or published


def _run(path: Path) -> Run:
    store = Store.read(path)
    made = store.manifest
    return Run(
        folder=str(path),
        recipe=made.recipe["name"],
        digest=made.digest,
        begun=made.begun,
        sallet=made.sallet,
        rows=len(store.rows),
        planned=made.rows,
        unassessed=sum(row.outcome == Outcome.UNASSESSED for row in store.rows),
        seconds=made.seconds,
        scored=made.scored,
        judge=made.recipe.get("judge"),
    )


def _table(found: list[Run]) -> Table:
    table = Table(box=box.SIMPLE_HEAD)
    for name in ("folder", "recipe"):
        table.add_column(name, overflow="fold")
    table.add_column("begun", no_wrap=True)
    for name in ("rows", "state", "unassessed", "time"):
        table.add_column(name, justify="right", no_wrap=True)
    for one in found:
        name = one.recipe if one.judge is None else f"{one.recipe} (judge {one.judge})"
        time = str(timedelta(seconds=round(one.seconds)))
        begun = one.begun[:16].replace("T", " ")
        table.add_row(
            one.folder, name, begun, f"{one.rows:,}", one.state, f"{one.unassessed:,}", time
        )
    return table
