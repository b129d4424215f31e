"""Square and NES break what they may only ask, and never ask once more than they may."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import pytest

from sallet.attacks.coarse import distance
from sallet.attacks.control import UniformNoise
from sallet.attacks.nes import NES
from sallet.attacks.queries import QueryAttack
from sallet.attacks.square import Square
from sallet.core.errors import RecipeError, RemoteError
from sallet.core.goal import Goal, Outcome, Verdict
from sallet.core.guarded import guarded
from sallet.core.protocols import Enough, Going, Model
from sallet.core.query import Answer, Failure, Query
from sallet.judges.rules import Rules
from tests.core.toys import Gated, Open, Purify, Smooth, Toy, Toyish, ask
from tests.models.remote_server import Behind, Server, running
from tests.models.remote_server import model as remote

JUDGE = Rules()
QUERIES = [ask(i) for i in range(16)]
BUDGET = 240
ATTACKS = {"square": Square(eps=24, queries=BUDGET), "nes": NES(eps=24, queries=BUDGET, grid=4)}


def goals_for(model: Model, kind: str) -> list[Goal]:
    said = [a.text for a in model.answer(QUERIES) if isinstance(a, Answer)]
    if kind == "untargeted":
        return [Goal.stop_saying(text) for text in said]
    return [Goal.say("blue" if text != "blue" else "red") for text in said]


def rate(model: Model, queries: list[Query], goals: list[Goal]) -> float:
    answers = model.answer(queries)
    outcomes = [
        JUDGE.judge(q, a, g).outcome for q, a, g in zip(queries, answers, goals, strict=True)
    ]
    return outcomes.count(Outcome.SUCCESS) / len(outcomes)


def furthest(query: Query, hostile: Query) -> int:
    pairs = zip(query.images, hostile.images, strict=True)
    return max(np.abs(h.pixels().astype(int) - q.pixels().astype(int)).max() for q, h in pairs)


@pytest.mark.parametrize("name", ATTACKS)
@pytest.mark.parametrize("kind", ["untargeted", "targeted"])
def test_what_shows_its_probabilities_is_broken_inside_the_ball(name: str, kind: str):
    goals = goals_for(Toy(), kind)
    model = Open()
    hostile = ATTACKS[name](model, QUERIES, goals, judge=JUDGE, seed=0)
    assert model.scored == sum(h.looks for h in hostile) > 0
    assert model.answered == sum(h.asks for h in hostile) > 0
    assert rate(model, [h.query for h in hostile], goals) >= 0.9
    noisy = UniformNoise(eps=24)(model, QUERIES, goals, judge=JUDGE, seed=0)
    assert rate(model, [h.query for h in noisy], goals) <= 0.3
    for query, made in zip(QUERIES, hostile, strict=True):
        assert 0 < furthest(query, made.query) <= 24
        assert made.asks + made.looks <= BUDGET
        assert len(made.curve) == made.looks
        assert made.end is not None
        assert made.start is not None
        assert made.end <= made.start


@pytest.mark.parametrize("name", ATTACKS)
def test_answers_alone_are_enough_and_cost_more(name: str):
    goals = goals_for(Toy(), "untargeted")
    closed, shown = Open(), Open()
    blind = replace(ATTACKS[name], objective="answers")
    hostile = blind(closed, QUERIES, goals, judge=JUDGE, seed=0)
    assert closed.scored == 0
    assert closed.answered == sum(h.asks for h in hostile)
    assert max(h.asks for h in hostile) <= BUDGET
    assert all(h.looks == 0 for h in hostile)
    assert rate(closed, [h.query for h in hostile], goals) >= 0.6
    ATTACKS[name](shown, QUERIES, goals, judge=JUDGE, seed=0)
    assert shown.scored + shown.answered < closed.answered
    # A model that cannot show anything is attacked in the very same way.
    same = ATTACKS[name](Toy(), QUERIES, goals, judge=JUDGE, seed=0)
    assert [h.query.digest for h in same] == [h.query.digest for h in hostile]


@pytest.mark.parametrize("name", ATTACKS)
def test_what_was_made_depends_on_the_seed_and_not_on_the_batch(name: str):
    goals = goals_for(Toy(), "targeted")
    short = replace(ATTACKS[name], queries=50)
    whole = short(Open(), QUERIES, goals, judge=JUDGE, seed=1)
    narrow = replace(short, batch=3)(Open(), QUERIES, goals, judge=JUDGE, seed=1)
    alone = [
        short(Open(), [q], [g], judge=JUDGE, seed=1)[0] for q, g in zip(QUERIES, goals, strict=True)
    ]
    other = short(Open(), QUERIES, goals, judge=JUDGE, seed=2)
    made = [(h.query.digest, h.asks, h.looks, h.curve) for h in whole]
    assert made == [(h.query.digest, h.asks, h.looks, h.curve) for h in narrow]
    assert made == [(h.query.digest, h.asks, h.looks, h.curve) for h in alone]
    assert made != [(h.query.digest, h.asks, h.looks, h.curve) for h in other]


@dataclass
class Counting(Toyish):
    """Counts the client's queries and lets another defence do the work."""

    inner: Purify | Smooth | Gated
    asked: int = 0
    stochastic = True

    async def guard(self, query, via):
        self.asked += 1
        return await self.inner.guard(query, via)


@pytest.mark.parametrize("name", ATTACKS)
@pytest.mark.parametrize("inner", [Purify, Smooth, Gated])
@pytest.mark.parametrize("queries", [2, 7, 31])
def test_the_budget_is_counted_where_the_client_stands(name: str, inner, queries: int):
    defense = Counting(inner())
    defended = guarded(Open(), defense)
    hard = [Goal.say("something else")] * 5
    attack = replace(ATTACKS[name], queries=queries)
    hostile = attack(defended, QUERIES[:5], hard, judge=JUDGE, seed=0)
    assert defense.asked == sum(h.asks + h.looks for h in hostile)
    assert all(h.asks + h.looks <= queries for h in hostile)
    assert max(h.asks + h.looks for h in hostile) >= queries - attack.confirm


@pytest.mark.parametrize("name", ATTACKS)
def test_a_defence_that_is_known_is_asked_and_one_that_is_not_is_not(name: str):
    @dataclass
    class Mirror(Toyish):
        async def guard(self, query, via):
            return query.map_images(lambda image: image.view(lambda seen: seen.flip(2)))

    model, defended = Open(), guarded(Open(), Mirror())
    goals = goals_for(defended, "untargeted")
    attack = replace(ATTACKS[name], eps=8)
    blind = attack(model, QUERIES, goals, judge=JUDGE, seed=0)
    knowing = attack(defended, QUERIES, goals, judge=JUDGE, seed=0)
    assert all(h.looks for h in knowing)
    known = rate(defended, [h.query for h in knowing], goals)
    assert known > rate(defended, [h.query for h in blind], goals) + 0.3


@pytest.mark.parametrize("name", ATTACKS)
def test_against_a_random_defence_it_wins_several_times_before_it_stops(name: str):
    defended = guarded(Open(), Purify())
    goals = goals_for(defended, "untargeted")
    hostile = ATTACKS[name](defended, QUERIES, goals, judge=JUDGE, seed=0)
    fresh = [h.query.with_defense_seed(9_000 + i) for i, h in enumerate(hostile)]
    assert rate(defended, fresh, goals) >= 0.8
    stopped = [h for h in hostile if h.asks + h.looks < BUDGET]
    assert len(stopped) >= 12
    assert all(h.asks >= ATTACKS[name].confirm for h in stopped)


def test_votes_are_attacked_by_their_answers():
    """A defence that writes the answer itself forwards nothing that has probabilities."""
    defended = guarded(Open(), Smooth(3))
    goals = goals_for(defended, "untargeted")
    attack = Square(eps=48, queries=120)
    hostile = attack(defended, QUERIES, goals, judge=JUDGE, seed=0)
    assert {h.looks for h in hostile} == {1}
    assert rate(defended, [h.query for h in hostile], goals) >= 0.6


@pytest.fixture(scope="module")
def started() -> Iterator[Server]:
    with running() as made:
        yield made


@pytest.fixture
def server(started: Server) -> Server:
    started.reset()
    return started


@pytest.mark.parametrize("name", ATTACKS)
@pytest.mark.parametrize("logprobs", ["shown", "ignored", "refused"])
def test_an_endpoint_is_broken_by_http_and_by_no_more_requests(name: str, logprobs, server: Server):
    server.behind = Behind(Toy(), logprobs)
    model = remote(server)
    queries, goals = QUERIES[:6], goals_for(Toy(), "untargeted")[:6]
    hostile = ATTACKS[name](model, queries, goals, judge=JUDGE, seed=0)
    requests = server.behind.served + server.behind.refused
    assert requests == sum(h.asks + h.looks for h in hostile)
    assert all(h.asks + h.looks <= BUDGET for h in hostile)
    assert server.behind.refused == (6 if logprobs == "refused" else 0)  # never tried again
    assert rate(Toy(), [h.query for h in hostile], goals) >= (0.9 if logprobs == "shown" else 0.4)
    if logprobs == "shown":  # the answer is in the reply that showed them
        assert all(h.asks % 2 == 0 for h in hostile)  # asked again, twice, only after a fall
    if (name, logprobs) == ("square", "shown"):
        server.behind = Behind(Toy(), "ignored")
        ATTACKS[name](model, queries, goals, judge=JUDGE, seed=0)
        assert requests < server.behind.served


def test_an_endpoint_that_fails_ends_with_the_budget_and_no_claim(server: Server):
    model = remote(server, retries=0)
    server.behind = Behind(Toy())
    server.behind.reply = lambda body: (_ for _ in ()).throw(RuntimeError)  # type: ignore[method-assign]
    attack = Square(eps=8, queries=10)
    (made,) = attack(model, QUERIES[:1], [Goal.say("blue")], judge=JUDGE, seed=0)
    assert made.asks + made.looks == 10
    assert made.end == float("inf")


def test_enough_keeps_the_best_so_far():
    seen: list[Going] = []

    def progress(going: Going) -> None:
        seen.append(going)
        if going.done >= 16 * 12:
            raise Enough

    goals = [Goal.say("something else")] * 16
    hostile = ATTACKS["square"](Open(), QUERIES, goals, judge=JUDGE, seed=0, progress=progress)
    assert all(0 < h.looks <= 14 for h in hostile)
    assert all(h.end == min(h.curve) for h in hostile)
    assert [going.done for going in seen] == sorted(going.done for going in seen)
    assert {going.total for going in seen} == {16 * BUDGET}


def test_every_image_of_a_query_is_attacked():
    query = Query.ask(*ask(1).images, "what colour ?", *ask(2).images)
    for attack in ATTACKS.values():
        short = replace(attack, queries=30)
        (made,) = short(Open(), [query], [Goal.say("something else")], judge=JUDGE, seed=0)
        pairs = zip(query.images, made.query.images, strict=True)
        assert all(one != other for one, other in pairs)


def test_nes_keeps_to_an_l2_ball():
    goals = goals_for(Toy(), "untargeted")
    attack = NES(eps=420, norm="l2", queries=BUDGET, grid=4)
    hostile = attack(Open(), QUERIES, goals, judge=JUDGE, seed=0)
    assert rate(Open(), [h.query for h in hostile], goals) >= 0.9
    for query, made in zip(QUERIES, hostile, strict=True):
        change = made.query.images[0].pixels().astype(float) - query.images[0].pixels()
        assert 0 < np.sqrt((change**2).sum()) <= 420


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Square(queries=1), "queries must be at least 2"),
        (lambda: Square(eps=0.03), "8-bit units"),
        (lambda: Square(norm="l2"), "nes takes both"),
        (lambda: Square(share=0), "share"),
        (lambda: NES(objective="guess"), "scores or answers"),
        (lambda: NES(sigma=0), "sigma"),
        (lambda: NES(pairs=0), "pairs"),
        (lambda: NES(momentum=1), "momentum"),
    ],
)
def test_a_wrong_parameter_says_what_is_right(make, message: str):
    with pytest.raises(RecipeError, match=message):
        make()


@pytest.mark.parametrize("attack", ATTACKS.values())
def test_a_query_without_images_cannot_be_attacked(attack: QueryAttack):
    with pytest.raises(RecipeError, match="has none"):
        attack(Toy(), [Query.ask("what colour ?")], [Goal.say("blue")], judge=JUDGE, seed=0)


def far(text: str, goal: Goal) -> float:
    answer = Answer(text)
    return distance(answer, JUDGE.judge(Query.ask("how ?"), answer, goal), goal)


def test_how_near_an_answer_is():
    stop, say = Goal.stop_saying("a red cat"), Goal.say("a red cat")
    assert far("A red cat.", stop) == 1
    assert far("a dog", stop) < far("a red dog", stop) < 1
    assert far("a red cat", say) == 0
    assert far("a red dog", say) < far("two dogs", say) == 1
    freed = Goal.stop_refusing("to use a knife hold it", "knife")
    assert far("I can't help with that.", freed) == 1
    assert far("to use a spoon hold it", freed) < 0.2
    assert far("it is a picture", freed) < 1


def test_nothing_is_read_from_a_failure():
    model, goals = Open(), [Goal.say("blue")]
    verdict = JUDGE.judge(QUERIES[0], Failure(RemoteError("gone")), goals[0])
    assert verdict == Verdict(Outcome.UNASSESSED, "no answer: gone")
    (made,) = Square(queries=5)(model, QUERIES[:1], goals, judge=JUDGE, seed=0)
    assert made.asks + made.looks <= 5
