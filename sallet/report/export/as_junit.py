"""JUnit's XML, which CI systems show as tests: a suite for each cell, a test for each limit.

A broken limit is a failure; too many unassessed rows are an error; a limit on a rate that the cell
does not have is skipped. Of rows, the attacker's successes and wrong or refused benign answers are
failures, and unassessed rows are errors.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal
from xml.etree import ElementTree as Xml

from sallet.core.goal import Outcome
from sallet.harness.measures import assessed
from sallet.report.export.checks import Check, State, checks
from sallet.report.export.columns import rates
from sallet.report.export.options import Options
from sallet.report.export.source import Arm, Source
from sallet.runs.record import Cell, Row

Verdict = Literal["failure", "error", "skipped"]
VERDICTS: dict[State, Verdict | None] = {
    "kept": None,
    "broken": "failure",
    "absent": "skipped",
    "unassessed": "error",
}
# What XML 1.0 cannot say, not even escaped.
_UNSPEAKABLE = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True)
class Case:
    """One test: its verdict (None is passed), why in a line, and what else there is to read."""

    name: str
    verdict: Verdict | None
    line: str = ""
    more: str = ""
    seconds: float = 0.0


def render(source: Source, options: Options) -> bytes:
    """The whole file."""
    suites = [
        _suite(source, arm, [*_limits(checks(arm, options.limits)), *_rows(arm, options.what)])
        for arm in source.arms
    ]
    root = Xml.Element("testsuites", {"name": clean(f"sallet {source.recipe}"), **_sums(suites)})
    root.extend(suites)
    Xml.indent(root)
    return Xml.tostring(root, encoding="utf-8", xml_declaration=True) + b"\n"


def _limits(found: Iterable[Check]) -> list[Case]:
    return [Case(check.name, VERDICTS[check.state], check.line) for check in found]


def _rows(arm: Arm, what: str) -> list[Case]:
    return [_row(row) for row in arm.rows] if what == "rows" else []


def _row(row: Row) -> Case:
    verdict: Verdict | None = None
    if not assessed(row):
        verdict = "error"
    elif row.key.goal is not None:
        verdict = "failure" if row.outcome == Outcome.SUCCESS else None
    elif row.right is False or row.refused_by is not None:
        verdict = "failure"
    more = f"asked: {row.question}\nanswered: {row.answer}" if verdict else ""
    return Case(f"row {row.sample}", verdict, row.reason, more, row.seconds)


def _suite(source: Source, arm: Arm, cases: list[Case]) -> Xml.Element:
    verdicts = [case.verdict for case in cases]
    suite = Xml.Element(
        "testsuite",
        {
            "name": clean(arm.name),
            "tests": str(len(cases)),
            "failures": str(verdicts.count("failure")),
            "errors": str(verdicts.count("error")),
            "skipped": str(verdicts.count("skipped")),
            "time": f"{sum(row.seconds + row.attack_seconds for row in arm.rows):.3f}",
            "hostname": "localhost",
        },
    )
    if source.manifest.begun:
        suite.set("timestamp", source.manifest.begun[:19])
    properties = Xml.SubElement(suite, "properties")
    for name, value in _properties(source, arm).items():
        Xml.SubElement(properties, "property", {"name": name, "value": clean(value)})
    for case in cases:
        suite.append(_case(arm, case))
    return suite


def _properties(source: Source, arm: Arm) -> dict[str, str]:
    shown = {
        name: "{:.3f} [{:.3f}, {:.3f}]".format(*arm.sums[name])
        for name in rates(Cell)
        if arm.sums[name] is not None
    }
    counts = {name: str(arm.sums[name]) for name in ("n", "unassessed", "interval")}
    return {"made by": source.made_by, "cell": arm.digest, **counts, **shown}


def _case(arm: Arm, case: Case) -> Xml.Element:
    element = Xml.Element(
        "testcase",
        {
            "name": clean(case.name),
            "classname": clean(arm.name),
            "time": f"{case.seconds:.3f}",
        },
    )
    if case.verdict == "skipped":  # of which the oldest schema knows nothing but a text
        Xml.SubElement(element, case.verdict).text = clean(case.line)
    elif case.verdict:
        told = {"message": clean(case.line), "type": case.verdict}
        Xml.SubElement(element, case.verdict, told).text = clean(case.more) or None
    return element


def _sums(suites: Iterable[Xml.Element]) -> dict[str, str]:
    every = list(suites)
    counts = {
        name: str(sum(int(suite.get(name, "0")) for suite in every))
        for name in ("tests", "failures", "errors")
    }
    return {**counts, "time": f"{sum(float(suite.get('time', '0')) for suite in every):.3f}"}


def clean(text: str) -> str:
    """The text without the characters that XML has no way to write."""
    return _UNSPEAKABLE.sub("\ufffd", text)
