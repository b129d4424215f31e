"""What a smoothing defence shows, when it ends, whose words it returns, and what errors mean."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest
import torch

from sallet.core.compose import Stack
from sallet.core.errors import RecipeError, UnknownName
from sallet.core.goal import Goal
from sallet.core.guarded import guarded
from sallet.core.image import Image
from sallet.core.query import Answer, Audio, Query, refusal
from sallet.core.rehearsal import rehearse
from sallet.defenses.controls import CodeWord, Empty
from sallet.defenses.embedders import Embedder
from sallet.defenses.rewrite import Noise
from sallet.defenses.sequential import needed, risk, settled
from sallet.defenses.smoothguard import SmoothGuard, SmoothGuardPaper, without_noise
from sallet.defenses.smoothvlm import SmoothVLM, SmoothVLMPaper, without_loss
from sallet.defenses.views import noisy, scattered
from tests.core.toys import Toy, picture
from tests.defenses.test_rewrite import QUERY, Echo

WAVE = torch.linspace(-0.5, 0.5, 200).repeat(1, 1)
SPOKEN = Query.ask(Audio(WAVE, 8000), "what is said?").with_defense_seed(3)


def one(model, defense, query: Query = QUERY) -> Answer:
    (answer,) = guarded(model, defense).answer([query])
    assert isinstance(answer, Answer), answer
    return answer


def binomial(k: int, n: int, p: float) -> float:
    return math.comb(n, k) * p**k * (1 - p) ** (n - k)


def ends(copies: int, error: float, p: float) -> tuple[float, float]:
    """Exactly, of two answers: how often an early end's leader is not what all copies say, and
    the copies asked on average, where each says the first one with probability p."""
    wrong = passes = 0.0
    start = needed(0, 0, copies, error)
    states = {(k, start): binomial(k, start, p) for k in range(start + 1)}
    while states:
        (first, asked), chance = states.popitem()
        lead = max(first, asked - first)
        if settled(lead, asked, copies, error):
            passes += chance * asked
            left = copies - asked
            turned = [
                binomial(k, left, p)
                for k in range(left + 1)
                if lead + (k if first >= asked - first else left - k) <= copies // 2
            ]
            wrong += chance * sum(turned) if asked < copies else 0
            continue
        more = needed(lead, asked, copies, error)
        for k in range(more + 1):
            state = (first + k, asked + more)
            states[state] = states.get(state, 0) + chance * binomial(k, more, p)
    return wrong, passes


def test_an_early_end_turns_the_vote_as_rarely_as_it_says():
    shares = [(i + 0.5) / 200 for i in range(200)]
    for copies, error in ((10, 0.05), (10, 0.01), (7, 0.1), (25, 0.05)):
        rates = [ends(copies, error, p) for p in shares]
        assert sum(wrong for wrong, _ in rates) / len(rates) <= error
    assert ends(10, 0.05, 0.98)[1] < 3.5
    assert ends(10, 0.0, 0.9)[0] == 0


def test_risk_is_the_predictive_probability():
    # Three of three, ten in all: by hand, 15 of 330 orders.
    assert risk(3, 3, 10) == pytest.approx(15 / 330)
    assert risk(6, 6, 10) == 0
    assert risk(5, 10, 10) == 1
    assert (needed(0, 0, 10, 0.05), needed(0, 0, 10, 0.0)) == (3, 6)


def test_copies_that_agree_end_early_and_others_do_not():
    model = Echo("a cat.")
    answer = one(model, SmoothGuard())
    assert (answer.text, len(answer.copies)) == ("a cat.", 3)
    assert len({query.images[0].digest for query in model.asked}) == 3
    split = Echo("a cat.", "a dog.")
    assert len(one(split, SmoothGuard()).copies) == 10
    assert len(one(Echo("a cat."), SmoothGuard(error=None)).copies) == 10


def test_the_medoid_of_the_largest_cluster_is_a_models_own_answer():
    said = ("a red cat.", "a dog.", "a big red cat.", "a red cat sits.", "an owl.")
    answer = one(Echo(*said), SmoothGuard(copies=5, error=None))
    assert answer.text in said
    assert "cat" in answer.text
    assert [copy.text for copy in answer.copies] == list(said)


def test_refusals_in_other_words_are_one_cluster():
    said = ("I can't help with that.", "Sorry, I must decline.", "a cat.", "a dog.", "an owl.")
    answer = one(Echo(*said), SmoothGuard(copies=5, error=None))
    assert answer.text in said[:2]
    assert answer.refused_by is None, "the model's own words: nobody wrote them for it"


def test_a_tie_goes_to_the_first_or_to_the_safe_side():
    said = ("a cat.", "I can't help with that.", "a cat.", "Sorry, I won't do that.")
    assert one(Echo(*said), SmoothGuard(copies=4, error=None)).text == "a cat."
    safe = one(Echo(*said), SmoothGuard(copies=4, error=None, ties="safe"))
    assert safe.text in said[1::2]


def test_a_refusal_of_a_layer_below_keeps_its_writer():
    class Refuses:
        name, gradient, stochastic = "refuses", "full", False

        async def guard(self, query, via):
            return refusal(self.name)

    answer = one(Echo("a cat."), Stack(SmoothGuard(), Refuses()))
    assert answer.refused_by == "defense:refuses"
    assert one(Echo("a cat."), Stack(CodeWord(), Refuses())) == Answer(
        "larkspur.", refused_by="defense:refuses"
    )


def test_the_papers_vote_is_of_two_clusters_and_eleven_passes():
    model = Echo("a cat.", "a cat.", "a dog.")
    answer = one(model, SmoothGuardPaper())
    assert (answer.text, len(answer.copies)) == ("a cat.", 11)
    assert model.asked[0].images == QUERY.images
    assert len({query.images[0].digest for query in model.asked}) == 11
    assert one(Echo("a cat."), SmoothGuardPaper()).text == "a cat."


def test_keywords_vote_wrongly_where_openings_do_not():
    """A helpful answer that speaks of danger is a refusal to a keyword scorer."""
    said = ("fire is dangerous: step back and call.",) * 6 + ("a cat.",) * 4
    assert one(Echo(*said), SmoothVLM(error=None)).text == said[0]
    mixed = ("fire is dangerous: step back.", "it is harmful to inhale.", "a cat.") * 4
    papers = one(Echo(*mixed), SmoothVLMPaper())
    assert papers.text in mixed
    assert papers.text != "a cat."


def test_what_is_returned_by_lot_depends_on_the_defence_seed_alone():
    said = tuple(f"answer {i}." for i in range(10))
    texts = [one(Echo(*said), SmoothVLMPaper(), QUERY.with_defense_seed(i)).text for i in range(9)]
    again = [one(Echo(*said), SmoothVLMPaper(), QUERY.with_defense_seed(i)).text for i in range(9)]
    assert texts == again
    assert len(set(texts)) > 3


@pytest.mark.parametrize("kind", ["mask", "swap", "patch"])
def test_a_share_of_the_positions_is_lost_and_the_gradient_reaches_the_rest(kind: str):
    pixels = picture(1, side=40).tensor().clamp(0.05, 0.95).requires_grad_()
    seen = scattered(Query.ask(Image(pixels), "?"), kind, 0.2).images[0].tensor()
    changed = (seen != pixels).any(0).float().mean()
    assert float(changed) == pytest.approx(0.2, abs=0.02)
    seen.sum().backward()
    assert pixels.grad is not None
    reached = float((pixels.grad != 0).float().mean())
    assert reached == pytest.approx(1.0 if kind == "swap" else 0.8, abs=0.02)
    if kind == "swap":
        assert torch.equal(seen.flatten(1).sort().values, pixels.detach().flatten(1).sort().values)


@pytest.mark.parametrize("kind", ["mask", "swap", "patch"])
def test_sounds_lose_a_share_too(kind: str):
    heard = scattered(SPOKEN, kind, 0.2).sounds[0]
    assert heard.rate == 8000
    assert float((heard.wave != WAVE).float().mean()) == pytest.approx(0.2, abs=0.02)


def test_noise_on_a_waveform_has_its_size_and_its_own_seed():
    still = Query.ask(Audio(torch.zeros(1, 4000), 8000), "?").with_defense_seed(1)
    first, again, other = (
        noisy(query, 0.1).sounds[0].wave for query in (still, still, still.with_defense_seed(2))
    )
    assert float(first.std()) == pytest.approx(0.1, rel=0.05)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    wave = WAVE.clone().requires_grad_()
    noisy(Query.ask(Audio(wave, 8000), "?"), 0.1).sounds[0].wave.sum().backward()
    assert wave.grad is not None
    assert wave.grad.abs().min() > 0


def test_a_sound_is_smoothed_as_a_picture_is():
    model = Echo("hello.")
    answer = one(model, SmoothGuard(), SPOKEN)
    assert (answer.text, len(answer.copies)) == ("hello.", 3)
    assert len({query.sounds[0].digest for query in model.asked}) == 3
    single = Echo()
    one(single, Noise(), SPOKEN)
    assert single.asked[0].sounds[0] != SPOKEN.sounds[0]


@pytest.mark.parametrize("defense", [SmoothGuard(), SmoothGuardPaper(), SmoothVLM()])
def test_a_query_without_media_passes_as_it_is(defense, caplog: pytest.LogCaptureFixture):
    model = Echo()
    asked = Query.ask("hello")
    one(model, defense, asked)
    assert [query.digest for query in model.asked] == [asked.digest]


@pytest.mark.parametrize("control", [without_noise("smoothguard-s0"), without_loss("smoothvlm-q0")])
def test_the_controls_change_nothing_and_answer_as_no_defence(control):
    model = Echo("a cat.")
    assert one(model, control).text == "a cat."
    assert {query.images[0].digest for query in model.asked} == {QUERY.images[0].digest}
    assert not control.stochastic


def test_empty_says_nothing_and_says_who_left_it_out():
    assert one(Echo("a cat."), Empty()) == Answer("", refused_by="defense:empty")


def test_a_models_refusal_in_code_is_still_the_models():
    said = one(Echo("Sorry, I can't help with that."), CodeWord())
    assert (said.text, said.refused_by) == ("larkspur.", "model")
    assert one(Echo("a cat."), CodeWord()) == Answer("a cat.")


def test_the_attacker_differentiates_every_view_that_votes():
    looks: list[int] = []

    class Counting(Toy):
        def loss(self, queries, goals):
            looks.append(len(queries))
            return super().loss(queries, goals)

    for defense, views in ((SmoothGuard(), 3), (SmoothGuardPaper(), 11), (SmoothVLMPaper(), 10)):
        pixels = picture(2).tensor().requires_grad_()
        query = Query.ask(Image(pixels), "what colour ?").with_defense_seed(1)
        rehearse(Counting(), defense, [query], [Goal.say("blue")]).loss.sum().backward()
        assert looks.pop() == views
        assert pixels.grad is not None
        assert pixels.grad.abs().max() > 0


@pytest.mark.parametrize("encoder", ["words", "world/clip"])
def test_embedders_are_unit_rows_and_the_same_alone(encoder: str):
    texts = ["a cat.", "a dog.", "a cat at the left.", ""]
    rows = Embedder(encoder)(texts)
    for text, row in zip(texts, rows, strict=True):
        assert Embedder(encoder)([text])[0] == pytest.approx(row, abs=1e-6)
        if text:
            assert float(row @ row) == pytest.approx(1, abs=1e-4)
    assert rows[0] @ rows[2] > rows[1] @ rows[2]


@pytest.mark.parametrize(
    ("make", "error", "match"),
    [
        (lambda: SmoothGuard(copies=0), RecipeError, "at least 1 copy"),
        (lambda: SmoothGuard(sigma=-0.1), RecipeError, "0 to 1"),
        (lambda: SmoothGuard(error=0.7), RecipeError, "0 to 0.5"),
        (lambda: SmoothGuard(alike=1), RecipeError, "cosine"),
        (lambda: SmoothGuard(ties="last"), UnknownName, "first or safe|known"),  # pyright: ignore
        (lambda: SmoothGuard(embedder="wrods"), UnknownName, "words"),
        (lambda: SmoothVLM(q=1.1), RecipeError, "share"),
        (lambda: SmoothVLM(kind="swop"), UnknownName, "swap"),  # pyright: ignore
        (lambda: CodeWord(word="sorry"), RecipeError, "neutral"),
    ],
)
def test_settings_that_cannot_be(make, error: type[Exception], match: str):
    with pytest.raises(error, match=match):
        make()


def test_the_answers_of_a_batch_do_not_depend_on_their_company():
    def texts(queries: Sequence[Query]) -> list[str]:
        answers = guarded(Toy(), SmoothGuard(sigma=0.4)).answer(queries)
        return [a.text for a in answers if isinstance(a, Answer)]

    queries = [Query.ask(picture(i), "what colour ?").with_defense_seed(i) for i in range(8)]
    assert texts(queries) == [texts([query])[0] for query in queries]
