"""`score`: what `loss` says of 8-bit pixels, without a gradient; of an endpoint, one request."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from sallet.core.goal import Goal
from sallet.core.guarded import guarded
from sallet.core.image import Image
from sallet.core.protocols import Scored, score
from sallet.core.query import Answer, Failure, Query
from sallet.models.local import HFModel
from tests.core.toys import Gated, Open, Purify, Screen, Smooth, Toy, ask, picture
from tests.models.families import every_family, goals, image, varied
from tests.models.remote_server import Behind, Server, model, running


@every_family
def test_a_score_is_the_log_probability_that_the_loss_is_made_of(model: HFModel) -> None:
    wanted = [*goals(4), Goal.stop_saying("the red cat")]
    queries = varied(5)
    heard = model.score(queries, wanted)
    with torch.no_grad():
        losses = model.loss(queries, wanted).tolist()
    for one, goal, loss in zip(heard, wanted, losses, strict=True):
        assert one.answer is None
        assert one.score == pytest.approx(-goal.sign * loss, abs=2e-2)
    alone = [model.score([q], [g])[0].score for q, g in zip(queries, wanted, strict=True)]
    assert [one.score for one in heard] == pytest.approx(alone, abs=1e-4)


@every_family
def test_what_is_scored_is_what_a_file_holds(model: HFModel) -> None:
    soft = image().tensor() + 0.4 / 255  # rounds to the same file
    goal = Goal.say("the red cat")
    same, other = (Query.ask(i, "what is this?") for i in (Image(soft), image()))
    first, second = model.score([same, other], [goal, goal])
    assert first.score == second.score


@every_family
def test_the_sign_is_what_would_be_said(model: HFModel) -> None:
    query = Query.ask(image(1), "what is this?", max_tokens=4)
    (answer,) = model.answer([query])
    assert isinstance(answer, Answer)
    heard = model.score([query, query], [Goal.say(answer.text or "x"), Goal.say("the red cat")])
    tokens = model.target_ids(query, answer.text or "x")
    assert heard[0].says is (model.predicted(query, answer.text or "x") == tokens)
    assert heard[1].says is False


@every_family
def test_a_query_that_fails_costs_only_its_own_score(model: HFModel) -> None:
    class Gone:
        size = (8, 8)

        def load(self):
            raise OSError("the disk is gone")

    good = Query.ask(image(), "what is this?")
    first, bad, last = model.score([good, Query.ask(Image(Gone()), "?"), good], goals(1) * 3)
    assert isinstance(bad.answer, Failure)
    assert bad.score is None
    assert first.score is not None
    assert first.score == pytest.approx(last.score, abs=1e-5)


BRIGHT = Query.ask(Image(picture(0).pixels() // 2 + 127), "what colour ?")
DARK = Query.ask(Image(picture(1).pixels() // 2), "what colour ?")


def test_through_a_defence_the_score_is_of_what_it_forwards():
    query, goal, purify = ask(1), Goal.say("blue"), Purify()
    defended = guarded(Open(), purify)
    (heard,) = defended.score([query], [goal])
    shown = query.with_images([purify.purifier.one(item) for item in query.seeded_images()])
    assert heard.score == Toy().likely(shown)["blue"]
    assert defended.tally.items == {"blur": 1, "model": 1}
    assert isinstance(defended, Scored)


def test_where_the_defence_answers_itself_its_answer_is_all():
    model, goal = Open(), Goal.say("blue")
    refused, passed = guarded(model, Screen()).score([BRIGHT, DARK], [goal, goal])
    assert refused.score is None
    assert isinstance(refused.answer, Answer)
    assert refused.answer.refused_by == "defense:screen"
    assert passed.score == model.likely(DARK)["blue"]
    assert model.answered == 0
    (voted,) = guarded(model, Smooth(3)).score([DARK], [goal])
    assert voted.score is None
    assert voted.answer == guarded(Toy(), Smooth(3)).answer([DARK])[0]
    assert model.answered == 3


def test_a_model_without_probabilities_is_answered_guarded_or_not():
    (bare,) = score(Toy(), [DARK], [Goal.say("blue")])
    (behind,) = guarded(Toy(), Gated()).score([DARK], [Goal.say("blue")])
    assert bare.score is behind.score is None
    assert bare.answer == behind.answer == Toy().answer([DARK])[0]


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with running() as made:
        yield made


def test_an_endpoint_scores_and_answers_in_one_request(server: Server) -> None:
    server.behind = Behind(Toy())
    queries, likely = [ask(i) for i in range(4)], [Toy().likely(ask(i)) for i in range(4)]
    said = [max(one, key=one.__getitem__) for one in likely]
    heard = model(server).score(queries, [Goal.stop_saying(text) for text in said])
    assert server.behind.served == 4
    assert [h.answer.text for h in heard if isinstance(h.answer, Answer)] == said
    exact = [one[text] for one, text in zip(likely, said, strict=True)]
    assert [h.score for h in heard] == pytest.approx(exact, abs=1e-5)


def test_an_endpoint_that_shows_nothing_still_answers(server: Server) -> None:
    server.behind = Behind(Toy(), "ignored")
    (heard,) = model(server).score([ask(1)], [Goal.say("blue")])
    assert heard.score is None
    assert heard.answer == model(server).answer([ask(1)])[0]


def test_an_endpoint_that_refuses_says_so_and_can_be_spared_the_wish(server: Server) -> None:
    server.behind = Behind(Toy(), "refused")
    (heard,) = model(server).score([ask(1)], [Goal.say("blue")])
    assert heard.score is None
    assert isinstance(heard.answer, Failure)
    assert "logprobs are not supported" in str(heard.answer.error)
    (spared,) = model(server, top_logprobs=0).score([ask(1)], [Goal.say("blue")])
    assert isinstance(spared.answer, Answer)
    assert (server.behind.refused, server.behind.served) == (1, 1)


def test_a_querys_own_wish_stands(server: Server) -> None:
    server.behind = Behind(Toy())
    query = Query(ask(1).messages, extra={"top_logprobs": 2})
    (heard,) = model(server).score([query], [Goal.say("blue")])
    assert isinstance(heard.answer, Answer)
    assert heard.answer.raw is not None
    (first, *_) = heard.answer.raw["choices"][0]["logprobs"]["content"]  # type: ignore[index]
    assert len(first["top_logprobs"]) == 2
