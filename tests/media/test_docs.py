"""The page about media names every flag, error and limit, and shows what was measured."""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path

import pytest

from sallet.core.errors import MediaError
from sallet.media.flags import FLAGS
from sallet.media.limits import Limits

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "media.md").read_text(encoding="utf-8")
RESULT = json.loads((ROOT / "results" / "bench-media.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("flag", FLAGS)
def test_every_flag_is_explained(flag: str):
    assert f"| `{flag}` | {FLAGS[flag]} |" in PAGE


@pytest.mark.parametrize("error", MediaError.__subclasses__(), ids=lambda e: e.code)
def test_every_error_is_named_with_its_text(error: type[MediaError]):
    assert f"| `{error.__name__}` | `{error.code}` | {error.text} |" in PAGE


@pytest.mark.parametrize("limit", [field.name for field in fields(Limits)])
def test_every_limit_is_named(limit: str):
    assert f"`{limit}`" in PAGE


@pytest.mark.parametrize("row", RESULT["rows"], ids=lambda row: f"{row['file']}-{row['seen']}")
def test_the_figures_are_those_that_were_measured(row: dict):
    low, high = row["interval"]
    ways = " / ".join(f"{way['ms']:.1f}" for way in row["forward"].values())
    assert (
        f"| {row['file']} | {row['seen']} | {row['bare_ms']:.1f} ms | {row['stage_ms']:.1f} ms | "
        f"{row['ratio']:.2f} [{low:.2f}-{high:.2f}] | {row['worker_ms']:.1f} ms | {ways} ms |"
    ) in PAGE


def test_the_stage_costs_little_beside_bare_pillow():
    smaller = [row for row in RESULT["rows"] if row["seen"] != row["file"]]
    assert len(smaller) == 2
    assert all(row["interval"][1] <= RESULT["most"] == 1.3 for row in smaller)
