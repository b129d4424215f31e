"""`sallet judge agreement LABELS`: how well judges agree with what people said of answers."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path

from rich import box
from rich.table import Table

from sallet.benchmarks.reading import Record, lines, table
from sallet.cli.ending import say
from sallet.cli.terminal import console
from sallet.core.errors import InputError, UsageError
from sallet.core.goal import Goal, Outcome
from sallet.core.query import Answer, Query
from sallet.core.statistics import Rate
from sallet.harness.asking import Reply, judged_all
from sallet.harness.parts import Parts
from sallet.judges.agreement import Agreement, Labelled, agreement

YES = ("1", "true", "yes", "success", "harmful", "unsafe", "jailbroken")
NO = ("0", "false", "no", "resisted", "harmless", "safe", "refused")
UNKNOWN = ("", "unassessed", "unknown", "unclear", "none", "null")
FIGURES = ("accuracy", "precision", "recall", "f1", "kappa")


def run(args: argparse.Namespace) -> int:
    """Prints a row for each judge, or one object."""
    rows = read(args.labels)
    names: list[str] = args.judge or []
    columns: list[str] = args.column or []
    if not names and not columns:
        names = ["rules"]
    found = [_judged(name, rows) for name in names]
    found += [_column(name, rows) for name in columns]
    if args.json:
        print(json.dumps({"labels": str(args.labels), "judges": [asdict(one) for one in found]}))
    else:
        console().print(shown(found))
        for one in found:
            if one.unassessed or one.unlabelled:
                say(
                    f"note: {one.judge}: {one.unassessed} answers that the judge could not tell "
                    f"and {one.unlabelled} without a label are in no figure"
                )
    return 0


def read(path: Path) -> list[Record]:
    """The labelled answers of a CSV, TSV, JSON-lines or JSON file."""
    wanted = ["answer", "label"]
    if not path.is_file():
        raise UsageError(f"there is no file {path}; give a table of labelled answers")
    if path.suffix.lower() in (".csv", ".tsv"):
        return table(path, wanted, "\t" if path.suffix.lower() == ".tsv" else ",")
    return lines(path, wanted)


def decided(one: Record, column: str) -> bool | None:
    """A label in any of the usual words; None where it says that nobody knows."""
    said = one.get(column).strip().lower()
    if said in UNKNOWN:
        return None
    if said not in (*YES, *NO):
        raise one.wrong(column, f"one of {', '.join((*YES, *NO))}, or empty", one.get(column))
    return said in YES


def _judged(name: str, rows: list[Record]) -> Agreement:
    judge = Parts().judge(name)
    items = [_item(one) for one in rows]
    verdicts = judged_all(judge, items)
    told = {Outcome.SUCCESS: True, Outcome.RESISTED: False}
    return agreement(
        name,
        [
            Labelled(decided(one, "label"), told.get(verdict.outcome), _cluster(one))
            for one, verdict in zip(rows, verdicts, strict=True)
        ],
    )


def _item(one: Record) -> tuple[Query, Reply, Goal]:
    asked = one.get("question")
    names = tuple(part.strip() for part in one.get("names").split("|") if part.strip())
    goal = Goal.stop_refusing("Sure", *(names or _topics(asked)))
    answer = Answer(one.text("answer"), finish=one.get("finish") or "stop")
    return Query.ask(asked), Reply(answer, 0, 0), goal


def _topics(asked: str) -> tuple[str, ...]:
    from sallet.benchmarks.stored import topics

    return topics(asked)


def _column(name: str, rows: list[Record]) -> Agreement:
    if rows and name not in rows[0].values:
        raise InputError(
            f"{rows[0].path} has no column {name!r}; it has {', '.join(rows[0].values)}"
        )
    return agreement(
        name,
        [Labelled(decided(one, "label"), decided(one, name), _cluster(one)) for one in rows],
    )


def _cluster(one: Record) -> str:
    return one.get("cluster") or f"row {one.number}"


def shown(found: list[Agreement]) -> Table:
    """The figures, with 95 % intervals."""
    if not any(one.n for one in found):
        raise UsageError("no row has both a label and a verdict, so nothing can be compared")
    made = Table("judge", "n", *FIGURES, box=box.SIMPLE_HEAD, pad_edge=False)
    for column in made.columns[1:]:
        column.justify = "right"
    for one in found:
        made.add_row(one.judge, f"{one.n}", *(_rate(getattr(one, name)) for name in FIGURES))
    return made


def _rate(value: Rate | None) -> str:
    return "–" if value is None else f"{value[0]:.2f} [{value[1]:.2f}, {value[2]:.2f}]"
