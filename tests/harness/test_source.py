"""Success on the source and success where its images were sent: two figures, never one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sallet.core.goal import Goal
from sallet.core.query import Query
from sallet.harness.evaluate import evaluate
from sallet.harness.parts import Parts
from sallet.harness.plan import plan
from sallet.harness.score import Scorer
from sallet.harness.source import OnSource, fell
from sallet.harness.summary import summarize
from sallet.judges.rules import Rules
from sallet.report.summary import read
from sallet.report.words import transferred
from sallet.runs.codec import from_line, to_line
from sallet.runs.parse import parse
from sallet.runs.record import Said
from sallet.runs.store import Store, opened
from tests.harness.fakes import BRIGHTER, EYE, HERE, LAMP, POISON, SIDEWAYS

OTHER = {**LAMP, "name": "other"}
PGD = {"name": "pgd", "goal": "targeted", "eps": 24, "steps": 8, "stop_early": False}
RECIPE: dict[str, Any] = {
    "models": [LAMP],
    "benchmarks": [BRIGHTER],
    "attacks": [PGD, {**PGD, "goal": "untargeted"}],
    "access": ["transfer"],
    "sources": [SIDEWAYS, {**EYE, "blue": 0.5}, {"name": "ensemble", "of": [SIDEWAYS, OTHER]}],
}


def run(folder: Path, data: dict[str, Any]) -> Store:
    parts = Parts()
    made = plan(parse(data), parts)
    with opened(folder, made.recipe, resume=False) as store:
        evaluate(made, store, parts)
    return store


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return run(tmp_path_factory.mktemp("source") / "run", RECIPE)


def cells(store: Store) -> dict[tuple[str, str], dict[str, Any]]:
    found = summarize(store.manifest, store.rows)["cells"]
    return {(cell["source"], cell["goal"]): cell for cell in found}


def test_what_a_source_falls_for_need_not_carry_over(store: Store):
    found = cells(store)
    alone = found["sideways", "targeted"]
    assert alone["source_asr"][0] == 1.0
    assert alone["source_n"] == 24
    assert alone["asr"][0] < 0.7
    both = found["sideways+other", "targeted"]
    assert both["source_asr"][0] == both["asr"][0] == 1.0  # "other" sees what the lamp sees


def test_an_encoder_is_judged_by_what_it_would_choose(store: Store):
    cell = cells(store)["eye", "targeted"]
    rows = [row for row in store.rows if row.key.source == "eye"]
    assert cell["source_asr"][0] == cell["asr"][0] == 1.0
    assert {said.text for row in rows for said in row.source_tries} == {"left", "right"}


def test_a_right_answer_is_left_only_where_the_source_had_it(store: Store):
    """The eye errs where the benchmark does; the lamp on its side is right now and then."""
    found = cells(store)
    assert found["eye", "untargeted"]["source_n"] == found["eye", "untargeted"]["eligible"] == 22
    assert 0 < found["sideways", "untargeted"]["source_n"] < 24
    for row in store.rows:
        assert len(row.source_votes) == len(row.source_tries) * (row.key.goal == "untargeted")


def test_of_an_ensemble_every_member_must_fall(store: Store):
    goal, query = Goal.say("left"), Query.ask("?")

    def outcome(*said: str | None) -> str | None:
        tries = tuple(Said(text) for text in said)
        return fell(Rules(), query, query, OnSource(tries), goal, goal)[0]

    assert outcome("left", "left") == "success"
    assert outcome("left", "right") == "resisted"
    assert outcome("left", None) == "unassessed"
    assert outcome("right", None) == "resisted"
    assert outcome() is None
    rows = [row for row in store.rows if row.key.source == "sideways+other"]
    assert all(len(row.source_tries) == 2 for row in rows)


def test_what_the_source_said_is_kept_and_judged_again(store: Store):
    assert all(from_line(to_line(row)) == row for row in store.rows)
    harder = {**RECIPE, "judge": f"{HERE}:Suspicious"}
    scorer = Scorer(plan(parse(harder), Parts()), store.artifacts, Parts())
    again = [scorer.score(row).row for row in store.rows]
    assert {row.source_outcome for row in again} == {"unassessed"}
    same = Scorer(plan(parse(RECIPE), Parts()), store.artifacts, Parts())
    assert [same.score(row).row.source_outcome for row in store.rows] == [
        row.source_outcome for row in store.rows
    ]


def test_the_table_says_both(store: Store):
    summary = read(summarize(store.manifest, store.rows))
    said = [transferred(cell).replace("\xa0", " ") for cell in summary.cells]
    assert said[0].startswith("pgd from sideways: 100 % [")
    assert "on its source, n 24; " in said[0]
    assert said[0].endswith(" here, n 24")
    assert said[1].startswith("pgd from eye (blue 0.5): ")


def test_an_encoder_is_not_asked_how_it_would_comply(tmp_path: Path):
    made = run(
        tmp_path / "run",
        {
            **RECIPE,
            "benchmarks": [POISON],
            "attacks": [{**PGD, "goal": "jailbreak"}],
            "sources": [EYE],
        },
    )
    (cell,) = summarize(made.manifest, made.rows)["cells"]
    assert cell["source_asr"] is None
    assert cell["asr"] is not None


def test_where_nothing_is_transferred_nothing_is_said_of_a_source(tmp_path: Path):
    made = run(tmp_path / "run", {**RECIPE, "access": ["oblivious"], "attacks": [PGD]})
    (cell,) = summarize(made.manifest, made.rows)["cells"]
    assert (cell["source_asr"], cell["source_n"]) == (None, 0)
