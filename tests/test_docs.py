"""The docs say what the committed results say, and every command they show exists."""

from __future__ import annotations

import importlib
import re
import shlex
from pathlib import Path

import pytest

from sallet.cli.main import _parser

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]


@pytest.mark.parametrize(
    "page",
    [
        "README.md",
        "docs/world.md",
        "docs/calibration.md",
        "docs/statistics.md",
        "docs/attacks.md",
        "docs/purifiers.md",
        "docs/defenses.md",
        "docs/comparison.md",
    ],
)
def test_the_tables_are_those_of_the_results(page: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend(str(ROOT / "recipes"))
    tables = importlib.import_module("tables")
    shown = (ROOT / page).read_text(encoding="utf-8")
    assert tables.placed(page) == shown, "run: python recipes/tables.py --write"


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path):
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
        if not target.startswith("http"):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def commands() -> list[str]:
    found: list[str] = []
    for page in PAGES:
        # Every other part between fences is a block; its first line is its language, if any.
        for block in page.read_text(encoding="utf-8").split("```")[1::2]:
            joined = block.replace("\\\n", " ")
            found += re.findall(r"^(?:\S+=\S+ )*sallet (.*)$", joined, re.MULTILINE)
    return sorted(set(found))


@pytest.mark.parametrize("command", commands())
def test_commands_that_the_docs_show_are_understood(command: str):
    words = shlex.split(command.split("#")[0].split(" > ")[0])
    if "--help" in words or "--version" in words:
        return
    assert _parser().parse_args(words)


def test_the_docs_show_commands():
    assert len(commands()) >= 5
