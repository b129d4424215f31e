"""Every name resolves, is listed, and has its place in the docs."""

from __future__ import annotations

from pathlib import Path

import pytest

from sallet import catalog
from sallet.core.errors import RecipeError, UnknownName

DOCS = Path(__file__).parents[2] / "docs"
PAGES = {
    "model": "models.md",
    "defense": "defenses.md",
    "attack": "attacks.md",
    "benchmark": "benchmarks.md",
    "judge": "judges.md",
}
EVERY = [(kind, name) for kind, table in catalog.TABLES.items() for name in table]


@pytest.mark.parametrize(("kind", "name"), EVERY)
def test_every_entry_builds_and_knows_its_name(kind, name: str):
    assert catalog.build(kind, name).name == name


@pytest.mark.parametrize(("kind", "name"), EVERY)
def test_every_entry_has_a_place_in_the_docs(kind, name: str):
    text = (DOCS / PAGES[kind]).read_text(encoding="utf-8")
    assert f"`{name}`" in text, f"docs/{PAGES[kind]} does not speak of {name}"


def test_a_wrong_name_suggests_the_nearest():
    with pytest.raises(UnknownName, match="did you mean majority"):
        catalog.build("defense", "majorty")


def test_a_wrong_parameter_names_the_right_ones():
    with pytest.raises(RecipeError, match="quality"):
        catalog.build("defense", "jpeg", qualty=3)


def test_a_stack_takes_no_parameters_of_its_own():
    with pytest.raises(RecipeError, match="stack"):
        catalog.defense("jpeg+noise", sigma=0.1)
