"""Rows made by hand, with only what a test is about."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

from sallet.runs.recipe import digest
from sallet.runs.record import CellKey, Row

KEY = CellKey(
    model="lamp",
    attack="pgd",
    access="oblivious",
    defense="none",
    benchmark="toy",
    goal="untargeted",
    norm="linf",
    eps=8.0,
    judge="rules",
)
_ROW = Row(
    cell="",
    key=KEY,
    sample="s0",
    cluster="",
    harmful=False,
    question="which ?",
    reference=("left",),
    wanted=None,
    answer="left",
    outcome="resisted",
    reason="right",
    right=True,
    refused_by=None,
    eligible=True,
    clean_answer="left",
    clean_right=True,
    clean_images=("a",),
    hostile_images=("b",),
    defense_seeds=(1,),
    attempts=1,
    asks=1.0,
    seconds=0.5,
    loss_start=1.0,
    loss_end=0.5,
    steps=10,
    gradient=0.1,
    flags=(),
    model_revision="r",
    defense_config="d",
    code="0",
    attack_seconds=0.0,
)


def row(number: int = 0, key: CellKey = KEY, **changes: Any) -> Row:
    values = {"cluster": f"c{number}", **changes}
    return replace(_ROW, cell=digest(asdict(key)), key=key, sample=f"s{number}", **values)


def rows(outcomes: str, key: CellKey = KEY, **changes: Any) -> list[Row]:
    """One row for each letter: `s`uccess, `r`esisted, `u`nassessed."""
    names = {"s": "success", "r": "resisted", "u": "unassessed"}
    return [row(i, key, outcome=names[letter], **changes) for i, letter in enumerate(outcomes)]
