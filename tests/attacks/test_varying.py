"""A model that answers otherwise the next time: one lucky answer is no fall."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from sallet.attacks.nes import NES
from sallet.attacks.queries import QueryAttack
from sallet.attacks.square import Square
from sallet.attacks.template import Template
from sallet.core.compose import Nothing
from sallet.core.goal import Goal
from sallet.core.guarded import guarded
from sallet.core.query import Answer, Query
from sallet.harness.single import Job, Range, Setting
from sallet.judges.rules import Rules
from sallet.runs.recipe import AttackSpec, DefenseSpec, Spec
from tests.core.toys import Purify, Toy, ask, picture

JUDGE = Rules()
QUERIES = [ask(0)]


class Fickle(Toy):
    """Says something else every third time, whatever it is shown."""

    deterministic = False
    turn = 0

    def _answer(self, query: Query) -> Answer:
        self.turn += 1
        return Answer("something else") if self.turn % 3 == 0 else Answer("red")


@pytest.mark.parametrize("attack", [Square(eps=24, queries=40), NES(eps=24, queries=40, grid=4)])
def test_one_lucky_answer_of_a_model_that_varies_is_no_fall(attack: QueryAttack):
    for model in (Fickle(), guarded(Fickle(), Purify())):
        (made,) = attack(model, QUERIES, [Goal.stop_saying("red")], judge=JUDGE, seed=0)
        assert made.asks + made.looks == 40  # it went on: never three times in a row


def test_a_template_must_work_again_where_answers_vary():
    """Those that seemed to work are put again; the others are not."""
    attack = Template(which="fiction,encoded")
    (made,) = attack(Fickle(), QUERIES, [Goal.say("something else")], judge=JUDGE, seed=0)
    assert made.asks == 2
    third = Fickle()
    third.turn = 2
    (made,) = attack(third, QUERIES, [Goal.say("something else")], judge=JUDGE, seed=0)
    assert made.asks == (1 + 2) + (1 + 2)


def test_the_verdict_on_a_saved_file_is_of_several_answers_then(tmp_path: Path):
    path = tmp_path / "a.png"
    Image.fromarray(picture(0).pixels()).save(path)
    setting = Setting(Spec("fickle"), AttackSpec("square"), DefenseSpec((Spec("none"),)))
    range_ = Range(setting, Fickle(), Nothing(), Square(queries=2), JUDGE)
    (made,) = range_.made([Job("a", path, "what colour ?", "untargeted", "red")])
    assert len(range_.record(made, [path])["answers"]) == setting.votes == 3
