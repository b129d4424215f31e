"""A small run with everything in it that a format may stumble over."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from sallet.report.export.source import Source
from sallet.runs.parse import parse
from sallet.runs.record import CellKey, Row, Said
from sallet.runs.store import Store, opened
from tests.harness.handmade import KEY, row

ODD = (
    '=HYPERLINK("http://evil.example","open")',
    "+1+1",
    "-1",
    "@SUM(A1)",
    "\t=1+1",
    "\r=1+1",
    "\n=1+1",
    "＝1+1",
    "'tis so",
    "''",
    'a,b;"c"',
    "two\nlines\r\nand three\rmore",
    "nul \x00 bell \x07 escape \x1b[31m",
    "<script>alert(1)</script> & ]]> </failure>",
    "𝔘nicode ✓ — \u202e right to left \ufffe",
    "NULL",
    "nan",
    "true",
    "",
)
"""Answers of a model that a stranger's picture made say this."""

NAME = "a_b|c%d#e&f$g{h}^~\\i*<b>[x](y)"
"""A defence, as a plug-in may be called."""

RECIPE = parse({"name": "odd_100%", "models": ["lamp"], "benchmarks": ["toy"], "seed": 1})
BENIGN = replace(KEY, attack="none", access="none", goal=None, norm=None, eps=None)
ADAPTIVE = replace(KEY, access="adaptive", defense=NAME, params={"steps": 10, "defense.copies": 5})


def rows() -> list[Row]:
    """Three cells: benign, attacked undefended, attacked through a defence with an ugly name."""
    return [
        *(row(i, BENIGN, outcome="resisted", cluster=f"c{i % 3}") for i in range(12)),
        *(_attacked(i, KEY, answer) for i, answer in enumerate(ODD)),
        *(_attacked(i, ADAPTIVE, "left" if i % 2 else None) for i in range(10)),
    ]


def _attacked(i: int, key: CellKey, answer: str | None) -> Row:
    outcome = "unassessed" if answer is None else "success" if i % 3 else "resisted"
    refused = "defense:screen" if i == 1 else None
    said = Said(answer, refused, error=None if answer is not None else "RemoteError: no answer")
    return row(
        i,
        key,
        answer=answer,
        outcome=outcome,
        reason="no answer" if answer is None else outcome,
        right=None if answer is None else outcome == "resisted",
        refused_by=refused,
        reference=("left", 'a, "left"'),
        tries=(said,),
        votes=(Said("left"),),
        loss_start=None if i % 2 else -1.5,
        defense_seeds=(2**63 - 1 - i, i),
        flags=("random-without-eot",) if key is ADAPTIVE else (),
    )


def folder(path: Path) -> Path:
    """The run, as a real store writes it."""
    with opened(path, RECIPE, resume=False) as store:
        store.append(rows(), seconds=3.5)
    return path


def source(path: Path) -> Source:
    """The run, as a format gets it."""
    return Source.of(Store.read(folder(path)))
