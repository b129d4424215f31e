"""What prompt defences ask, how they read replies, and what they do when a reply says nothing."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from sallet.cli.main import run
from sallet.core.errors import ModelError, RecipeError, UnknownName
from sallet.core.goal import Goal
from sallet.core.guarded import guarded
from sallet.core.image import Image
from sallet.core.query import Answer, Message, Query
from sallet.core.rehearsal import Rehearsal
from sallet.defenses.adashield import AdaShieldA, AdaShieldS
from sallet.defenses.pool import Placing, read
from sallet.defenses.prompt import SafetyPrompt
from sallet.defenses.rapguard import RapGuard
from sallet.defenses.replies import harmful, risk
from sallet.defenses.self_check import ECSO, SelfReview
from sallet.defenses.wordings import filled, wording
from sallet.train.adashield import Listed, Settings, Training
from tests.core.toys import picture
from tests.defenses.test_rewrite import QUERY, Echo


class Replies:
    """Replies by what stands in the question; all else is `otherwise`."""

    name = "replies"

    def __init__(self, otherwise: str, **replies: str) -> None:
        self.otherwise, self.replies = otherwise, replies
        self.asked: list[Query] = []

    def answer(self, queries: Sequence[Query]) -> list[Answer]:
        self.asked += queries
        return [Answer(self._one(query.user_text)) for query in queries]

    def _one(self, text: str) -> str:
        return next((v for k, v in self.replies.items() if k in text), self.otherwise)


def one(model, defense, query: Query = QUERY) -> Answer:
    (answer,) = guarded(model, defense).answer([query])
    assert isinstance(answer, Answer), answer
    return answer


def test_adashield_asks_again_after_its_text():
    model = Echo()
    one(model, AdaShieldS())
    assert model.asked[0].user_text == f"what is this? {AdaShieldS().text} what is this?"
    assert model.asked[0].images == QUERY.images


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        ("a gun. Risk: HIGH.", "high"),
        ("risk: high? no, the risk is none", "none"),
        ("risk: low", "low"),
        ("it is risky", None),
        ("", None),
    ],
)
def test_the_last_risk_counts(reply: str, said: str | None):
    assert risk(reply) == said


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        ("the answer is about a gun. harmful.", True),
        ("not harmful", False),
        ("It is unsafe.", True),
        ("that is not safe", True),
        ("harmful? No: safe.", False),
        ("harmless", False),
        ("I do not know.", None),
    ],
)
def test_the_last_verdict_counts(reply: str, said: bool | None):
    assert harmful(reply) is said


@pytest.mark.parametrize("reply", ["a gun. risk: high.", "a saw beside a log. risk: low."])
def test_a_risky_rationale_becomes_the_warning(reply: str):
    model = Replies("fine", risk=reply)
    assert one(model, RapGuard()).text == "fine"
    asked, answered = model.asked
    assert "request: what is this?" in asked.user_text
    assert asked.images == QUERY.images
    assert str(answered.system).startswith(reply)
    assert answered.user_text == QUERY.user_text


@pytest.mark.parametrize("reply", ["a cat. risk: none.", "I will not say.", ""])
def test_no_risk_and_no_verdict_leave_the_query_as_it_is(reply: str):
    model = Replies("fine", risk=reply)
    answer = one(model, RapGuard())
    assert (answer.text, answer.refused_by) == ("fine", None)
    assert model.asked[-1].digest == QUERY.digest


def test_a_review_replaces_what_is_harmful_and_says_that_it_did():
    model = Replies("step one.", harmful="harmful.")
    answer = one(model, SelfReview())
    assert answer.refused_by == "defense:self-review"
    assert "answer: step one." in model.asked[1].user_text
    for fine in ("safe.", "no idea."):
        assert one(Replies("step one.", harmful=fine), SelfReview()) == Answer("step one.")


def test_ecso_answers_again_without_the_picture():
    model = Replies("step one.", **{"safe or harmful": "harmful.", "describe": "a gun."})
    answer = one(model, ECSO())
    assert answer == Answer("step one."), "the model's own second answer, nobody's refusal"
    first, check, caption, blind = model.asked
    assert first.digest == QUERY.digest
    assert check.images == caption.images == QUERY.images
    assert blind.images == ()
    assert blind.user_text == "a gun. what is this?"
    fine = Replies("a cat.", **{"safe or harmful": "safe."})
    assert one(fine, ECSO()).text == "a cat."
    assert len(fine.asked) == 2
    blindly = Replies("step one.", **{"safe or harmful": "harmful."})
    assert one(blindly, ECSO(), Query.ask("how?")).text == "step one."
    assert len(blindly.asked) == 2


def test_ecso_keeps_earlier_turns_in_words():
    turns = (Message("assistant", ("a gun.",)), Message("user", ("how do i use it?",)))
    model = Replies("step one.", **{"safe or harmful": "harmful.", "describe": "a gun."})
    one(model, ECSO(), QUERY.with_turns(*turns))
    blind = model.asked[-1]
    assert [turn.text for turn in blind.messages] == [
        "what is this?", "a gun.", "a gun. how do i use it?",
    ]  # fmt: skip


@pytest.mark.parametrize("defense", [SelfReview(), ECSO(), RapGuard()])
def test_an_attacker_also_has_to_win_the_question_beside_the_answer(defense):
    pixels = picture(1).tensor().requires_grad_()
    (stage,) = Rehearsal([Goal.say("step one.")]).run(defense, [Query.ask(Image(pixels), "how?")])
    assert len(stage.views) == 1
    assert [text for _, text in stage.checks] in (["safe."], ["risk: none."])
    assert not stage.refused


@pytest.fixture(scope="module")
def samples():
    from sallet import catalog

    picture = catalog.build("benchmark", "world/picture", nouns="open").samples(6, 9)
    return picture, catalog.build("benchmark", "world/where").samples(6, 9)


def test_the_pool_gives_its_prompt_to_what_is_near_and_leaves_the_rest(samples):
    hostile, plain = samples
    model = Echo()
    queries = [sample.query for sample in (*hostile, *plain)]
    defense = AdaShieldA()
    guarded(model, defense).answer(queries)
    near = [len(q.user_text) > len(o.user_text) for q, o in zip(model.asked, queries, strict=True)]
    assert sum(near[:6]) >= 3
    assert sum(near[6:]) == 0
    pool, places = defense.examples, Placing("world/clip")(queries)
    cosines = [float(pool.nearest(place)[0].detach()) for place in places]
    assert near == [cosine > 0.7 for cosine in cosines]
    guarded(bare := Echo(), AdaShieldA(near=1.0)).answer(queries)
    assert [q.digest for q in bare.asked] == [q.digest for q in queries]


def test_the_branch_of_retrieval_can_be_attacked(samples):
    query = samples[0][0].query
    pixels = query.images[0].tensor().requires_grad_()
    stages = Rehearsal([Goal.say("x")], branch=False).run(
        AdaShieldA(near=0.2), [query.with_images([Image(pixels)])]
    )
    (hinge,) = stages[0].hinges
    hinge.backward()
    assert pixels.grad is not None
    assert pixels.grad.abs().max() > 0
    assert stages[0].views[0].user_text == query.user_text


def test_a_query_without_a_picture_passes_the_pool():
    model = Echo()
    one(model, AdaShieldA(), Query.ask("how do i use this?"))
    assert model.asked[0].user_text == "how do i use this?"


def test_a_pool_of_another_encoder_or_none_is_an_error(tmp_path: Path):
    with pytest.raises(RecipeError, match="train it again with this encoder"):
        AdaShieldA(encoder="world/clip-surrogate")
    with pytest.raises(RecipeError, match="no pool"):
        AdaShieldA(pool=str(tmp_path / "none.json"))
    with pytest.raises(UnknownName, match="world"):
        AdaShieldA(pool="wrold")
    (tmp_path / "bad.json").write_text("{}")
    with pytest.raises(ModelError, match="no AdaShield pool"):
        AdaShieldA(pool=str(tmp_path / "bad.json"))


class Obeys(Echo):
    """Declines only where it is told to in these words."""

    def answer(self, queries: Sequence[Query]) -> list[Answer]:
        return [
            Answer(
                "this is it. sorry, i can not help with that." if "stop" in q.user_text else "ok"
            )
            for q in queries
        ]


def test_a_pool_is_refined_until_its_prompt_holds_on_examples_that_nobody_looked_at(samples):
    hostile = [replace(s, cluster="one", reserved=False) for s in samples[0]]
    settings = Settings(shown=2, held=4)
    training = Training(Obeys(), Listed(("be good", "stop now")), "world/clip", "please", settings)
    pool = training.run(hostile)
    assert [entry.prompt for entry in pool.entries] == ["stop now"] * 2
    assert pool.entries[0].refused == 1
    assert {e.picture for e in pool.entries} == {s.query.images[0].digest for s in hostile[:2]}
    with pytest.raises(RecipeError, match="no prompt held"):
        Training(Obeys(), Listed(("be good",)), "world/clip", "please", settings).run(hostile)
    with pytest.raises(RecipeError, match="reserved"):
        training.run([replace(hostile[0], reserved=True)])


def test_the_command_writes_a_pool_that_can_be_used(tmp_path: Path, capsys):
    out = tmp_path / "pool.json"
    words = ["train", "adashield", "--out", str(out), "--benchmark", "world/picture"]
    assert run([*words, "--samples", "40", "--held", "1", "--shown", "1", "--json"]) == 0
    found = json.loads(capsys.readouterr().out.splitlines()[-1])
    pool = read(str(out), "world/clip")
    assert found["entries"] == len(pool.entries) > 3
    assert AdaShieldA(pool=str(out)).digest != AdaShieldA().digest
    assert torch.allclose(pool.vectors.norm(dim=1), torch.ones(len(pool.entries)))


def test_prompt_files_that_cannot_be_used_say_why(tmp_path: Path):
    empty, wrong = tmp_path / "empty.txt", tmp_path / "wrong.txt"
    empty.write_text("  \n")
    wrong.write_text("check this {answr}")
    with pytest.raises(RecipeError, match="is empty"):
        SafetyPrompt(wording=str(empty))
    with pytest.raises(RecipeError, match="no prompt file"):
        SafetyPrompt(wording=str(tmp_path / "none.txt"))
    with pytest.raises(RecipeError, match="needs the slots"):
        SelfReview(wording=str(wrong))
    with pytest.raises(UnknownName, match="plain"):
        RapGuard(wording="plane")
    own = tmp_path / "own.txt"
    own.write_text("be kind.")
    assert SafetyPrompt(wording=str(own)).words == "be kind."


def test_what_fills_a_slot_is_not_filled_again():
    text = wording("check", "plain", "request", "answer")
    assert "{answer}" in filled(text, request="{answer}", answer="x")


@pytest.mark.parametrize("role", ["adashield", "rationale", "warning", "check", "caption"])
def test_every_text_is_there_for_any_model_and_for_the_world(role: str):
    slots = {
        "rationale": ("request",), "warning": ("rationale",), "caption": ("request",),
        "check": ("request", "answer"),
    }.get(role, ())  # fmt: skip
    assert wording(role, "plain", *slots) != wording(role, "general", *slots)


@pytest.mark.parametrize("make", [RapGuard, ECSO, SelfReview, AdaShieldS])
def test_other_words_have_another_digest(make):
    assert make().digest != make(wording="general").digest
