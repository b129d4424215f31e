"""Sallet from Python: what the commands do, with objects in place of files.

from sallet.api import evaluate

run = evaluate({"models": ["world/llava-strong"], "benchmarks": ["world/where"]}, "runs/mine")
print(run.table())
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rich.console import Console

from sallet.harness import evaluate as harness
from sallet.harness import score as scoring
from sallet.harness.compare import Compared, compare_runs, compare_within
from sallet.harness.doubts import with_doubts
from sallet.harness.metrics import cells
from sallet.harness.parts import Parts
from sallet.harness.plan import Plan, plan
from sallet.harness.retry import retried
from sallet.harness.summary import summarize
from sallet.harness.thresholds import breaches
from sallet.harness.watch import Watch
from sallet.report import page, purified, table
from sallet.report.export.formats import find
from sallet.report.export.options import Options
from sallet.report.export.source import Source
from sallet.report.export.write import save
from sallet.runs.answers import Answers
from sallet.runs.parse import parse, read
from sallet.runs.record import Cell, Row
from sallet.runs.store import Store, opened

WIDTH = 100


@dataclass(frozen=True)
class Run:
    """What a run's folder holds."""

    store: Store

    @property
    def folder(self) -> Path:
        """Where it is."""
        return self.store.folder

    @property
    def rows(self) -> Sequence[Row]:
        """One for each sample of each cell."""
        return self.store.rows

    @property
    def cells(self) -> list[Cell]:
        """The sums: rates with 95 % intervals, who refused, costs, doubts."""
        return with_doubts(cells(self.rows))

    @property
    def summary(self) -> dict[str, Any]:
        """What `summary.json` says."""
        return summarize(self.store.manifest, self.rows)

    def table(self, width: int = WIDTH) -> str:
        """The table that the command line prints."""
        console = Console(width=width, color_system=None, markup=False, emoji=False)
        with console.capture() as text:
            console.print(table.render(self.summary))
        return text.get()

    def report(self) -> Path:
        """Writes `summary.json` and `report.html` anew, and says where the page is."""
        self.store.write_summary(self.summary)
        return page.write(self.folder)

    def export(
        self, form: str, out: str | Path, *, what: str | None = None, force: bool = False
    ) -> Path:
        """Writes the run in another tool's format, as `sallet export` does, and says where."""
        options = Options(what or find(form).what[0])
        save(Source.of(Store.begun(self.folder)), form, options, Path(out), force=force)
        return Path(out)

    def breaches(
        self, over: Mapping[str, float] | None = None, under: Mapping[str, float] | None = None
    ) -> list[str]:
        """A line for each cell and rate past its limit: `over={"asr": 0.2}`."""
        return breaches(self.summary["cells"], over or {}, under or {})


def evaluate(
    recipe: str | Path | Mapping[str, Any],
    out: str | Path,
    *,
    resume: bool = False,
    only: Mapping[str, str] | None = None,
    device: str | None = None,
    cache: str | Path | None = None,
    watch: Watch | None = None,
) -> Run:
    """Runs a recipe, a file's or a mapping in its shape, into the folder `out`.

    With `resume`, a run that is there goes on; `only` keeps cells by their key's values; `cache`
    is a file of answers that runs share.
    """
    parts = Parts(device)
    data = dict(recipe) if isinstance(recipe, Mapping) else read(Path(recipe))
    planned = plan(parse(data), parts).only(only or {})
    with opened(Path(out), planned.recipe, resume=resume) as store:
        return _made(planned, store, parts, cache, watch)


def retry(
    run: Run,
    *,
    errors: bool = False,
    device: str | None = None,
    cache: str | Path | None = None,
    watch: Watch | None = None,
) -> Run:
    """Makes the rows again that could not be assessed (with `errors`: only the unanswered)."""
    parts = Parts(device)
    with opened(run.folder, parse(run.store.manifest.recipe), resume=True) as store:
        planned, _ = retried(store, parts, errors=errors)
        return _made(planned, store, parts, cache, watch)


def open_run(folder: str | Path) -> Run:
    """The run in a folder, or a published one: `summary.json` and `rows.jsonl.gz`."""
    return Run(Store.read(Path(folder)))


def score(run: Run, judge: str, out: str | Path | None = None) -> Run:
    """The run's answers as another judge sees them, as a run of its own."""
    parts = Parts()
    planned = judged_by(judge, run.store, parts)
    folder = Path(out) if out else beside(run.folder, judge)
    with opened(folder, planned.recipe, resume=False) as store:
        scoring.score(run.store, store, planned, parts)
        store.write_summary(summarize(store.manifest, store.rows))
    return Run(store)


def compare(*runs: Run, by: str | None = None, baseline: str | None = None) -> Compared:
    """Which differences are real: every later run against the first, or, of one run, every value
    of `by` (a defence, an access, ...) against its `baseline` (default: what `compare --by` takes).
    """
    if len(runs) == 1:
        return compare_within(runs[0].rows, by or "defense", baseline)
    return compare_runs({str(run.folder): run.store for run in runs}, by)


def _made(
    planned: Plan, store: Store, parts: Parts, cache: str | Path | None, watch: Watch | None
) -> Run:
    """The run, when every row of the plan is there."""
    with closing(Answers(Path(cache) if cache else None)) as known:
        harness.evaluate(planned, store, parts, watch, cache=known)
    purified.keep(planned, parts, store)
    store.write_summary(summarize(store.manifest, store.rows))
    return Run(store)


def judged_by(judge: str, store: Store, parts: Parts) -> Plan:
    """The plan of a run with another judge in it; an unknown judge is an error here."""
    parts.judge(judge)
    return plan(replace(parse(store.manifest.recipe), judge=judge), parts)


def beside(folder: Path, judge: str) -> Path:
    """Where a run's answers go that are judged again."""
    plain = "".join(letter if letter.isalnum() else "-" for letter in judge)
    return folder.with_name(f"{folder.resolve().name}-{plain}")
