"""The suffix: its loss falls in every family, it can be typed, and it goes through defences."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import pytest
import torch

from sallet import catalog
from sallet.attacks.checks import cell_flags
from sallet.attacks.gcg import GCG
from sallet.core.errors import ModelError, NoGradient, RecipeError
from sallet.core.goal import Goal, Outcome
from sallet.core.guarded import guarded
from sallet.core.protocols import Enough, Going
from sallet.core.query import Query
from sallet.judges.rules import Rules
from sallet.models import tiny
from sallet.models.local import HFModel
from tests.attacks.fakes import Touchy
from tests.core.toys import Rewrite, Toy, Toyish, picture

pytestmark = pytest.mark.filterwarnings("ignore:__array_wrap__:DeprecationWarning")
JUDGE, GOAL = Rules(), Goal.say("the red cat")
QUERY = Query.ask(picture(0, 60), "what is this?", max_tokens=4)
SMALL = {"length": 6, "steps": 4, "width": 24, "top": 16, "check_every": 4, "variants": 2}


@pytest.fixture(scope="module")
def load(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], HFModel]:
    @cache
    def loaded(family: str) -> HFModel:
        return HFModel.from_pretrained(tiny.save(family, tmp_path_factory.mktemp(family) / family))

    return loaded


def suffix(query: Query) -> str:
    return query.user_text.removeprefix(f"{QUERY.user_text} ")


@pytest.mark.parametrize("family", tiny.FAMILIES)
def test_the_loss_falls_in_every_family(family: str, load: Callable[[str], HFModel]):
    model = load(family)
    (made,) = GCG(**SMALL)(model, [QUERY], [GOAL], judge=JUDGE, seed=0)
    first = float(model.loss([QUERY.with_text(after="! ! !")], [GOAL]))
    assert made.end is not None
    assert made.end < first - 0.5
    assert made.curve[-1] < made.curve[0]
    assert made.end == pytest.approx(float(model.loss([made.query], [GOAL])), abs=1e-4)
    start = "! ! !"  # five tokens to these tokenizers, and four marks would be seven
    read = model.words.tokens(made.query, suffix(made.query))
    assert len(read) == len(model.words.tokens(QUERY.with_text(after=start), start))
    assert suffix(made.query).isascii()
    assert made.gradient is not None
    assert made.gradient > 0
    assert made.query.images == QUERY.images


def test_what_was_looked_at_and_asked_is_counted(load: Callable[[str], HFModel]):
    (made,) = GCG(**SMALL)(load("llava"), [QUERY], [GOAL], judge=JUDGE, seed=0)
    assert made.steps == 4 == len(made.curve)
    assert 2 + 4 * (1 + 1) <= made.looks <= 2 + 4 * (1 + 24)
    assert made.asks == 1 + 2  # at the fourth step, and the two best at the end


def test_the_gradient_finds_more_than_chance(load: Callable[[str], HFModel]):
    """The same looks, and candidates drawn from the whole vocabulary instead of its best."""
    model = load("qwen3-vl")
    everything = len(model.words.vocabulary().ids)
    queries = [QUERY.with_text(after=word) for word in ("please", "yes", "on the road")]
    ends = [
        sum(
            h.end or 0.0
            for h in GCG(**{**SMALL, "top": top})(model, queries, [GOAL] * 3, judge=JUDGE, seed=0)
        )
        for top in (16, everything)
    ]
    assert ends[0] < ends[1]


def test_a_seed_decides_whatever_else_is_in_the_batch(load: Callable[[str], HFModel]):
    model, other = load("llava"), QUERY.with_text(after="please")
    settings = {"judge": JUDGE, "seed": 1}
    both = GCG(**SMALL)(model, [other, QUERY], [GOAL] * 2, **settings)
    (alone,) = GCG(**{**SMALL, "batch": 5})(model, [QUERY], [GOAL], **settings)
    (another,) = GCG(**SMALL)(model, [QUERY], [GOAL], judge=JUDGE, seed=2)
    assert both[1].query == alone.query
    assert another.query != alone.query


def test_it_breaks_a_model_of_the_world():
    model = catalog.build("model", "world/llava-strong")
    judge = catalog.build("judge", "world")
    samples = catalog.build("benchmark", "world/harmful-text").samples(2, seed=0)
    queries, goals = [s.query for s in samples], [s.goals["jailbreak"] for s in samples]

    def fell(asked: list[Query]) -> list[bool]:
        pairs = zip(asked, model.answer(asked), goals, strict=True)
        return [judge.judge(q, a, g).outcome is Outcome.SUCCESS for q, a, g in pairs]

    plain = " ".join(["!"] * 20)
    assert not any(fell(queries))
    assert not any(fell([query.with_text(after=plain) for query in queries]))
    made = GCG(steps=6, width=32, check_every=1)(model, queries, goals, judge=judge, seed=0)
    assert all(fell([one.query for one in made]))


def test_through_a_defence_that_writes_around_it(load: Callable[[str], HFModel]):
    """The suffix is no longer at the end, and what is before it has grown."""
    defended = guarded(load("llava"), Rewrite())
    (made,) = GCG(**SMALL)(defended, [QUERY], [GOAL], judge=JUDGE, seed=0)
    assert made.gradient is not None
    assert made.gradient > 0
    first = float(defended.loss([QUERY.with_text(after="! ! !")], [GOAL]))
    assert made.end is not None
    assert made.end < first - 0.5
    assert made.end == pytest.approx(float(defended.loss([made.query], [GOAL])), abs=1e-4)


def test_over_the_seeds_of_a_random_defence(load: Callable[[str], HFModel]):
    class Shuffled(Toyish):
        stochastic = True

        async def guard(self, query, via):
            return query.with_text(after=("please", "yes", "no")[query.defense_seed % 3])

    defended = guarded(load("llava"), Shuffled())
    attack = GCG(**{**SMALL, "steps": 1}, eot=3, confirm=2)
    (made,) = attack(defended, [QUERY], [GOAL], judge=JUDGE, seed=0)
    assert made.eot == 3
    assert made.looks % 3 == 0
    assert made.asks == 2 * 2  # two variants, two fresh seeds each
    assert made.query.defense_seed == QUERY.defense_seed


def test_a_defence_that_drops_the_suffix_is_flagged(load: Callable[[str], HFModel]):
    class Deaf(Toyish):
        async def guard(self, query, via):
            return Query.ask(*query.images, "what is this?", max_tokens=4)

    made = GCG(**SMALL)(guarded(load("llava"), Deaf()), [QUERY], [GOAL], judge=JUDGE, seed=0)
    assert made[0].gradient == 0
    assert "zero-gradient" in cell_flags(made, Deaf(), GCG())


def test_a_defence_without_a_gradient_is_attacked_by_way_of_the_bare_model(
    load: Callable[[str], HFModel],
):
    class Blunt(Toyish):
        gradient = "none"

        async def guard(self, query, via):
            return query

    defended = guarded(load("llava"), Blunt())
    (made,) = GCG(**SMALL)(defended, [QUERY], [GOAL], judge=JUDGE, seed=0)
    assert made.end == pytest.approx(float(load("llava").loss([made.query], [GOAL])), abs=1e-4)


def test_where_there_is_no_gradient_it_says_what_remains():
    for model in (Toy(), Touchy(""), guarded(Toy(), Rewrite())):
        with pytest.raises(NoGradient, match="word-swap"):
            GCG()(model, [QUERY], [GOAL], judge=JUDGE, seed=0)


def test_a_goal_that_cannot_be_said_is_an_error_before_any_step(load: Callable[[str], HFModel]):
    with pytest.raises(ModelError, match="cannot say '日本'"):
        GCG(**SMALL)(load("llava"), [QUERY], [Goal.say("日本")], judge=JUDGE, seed=0)


def test_whoever_has_had_enough_keeps_the_best_so_far(load: Callable[[str], HFModel]):
    def enough(going: Going) -> None:
        raise Enough

    made = GCG(**SMALL)(
        load("llava"), [QUERY] * 2, [GOAL] * 2, judge=JUDGE, seed=0, progress=enough
    )
    assert made[0].steps == 1
    assert made[0].query != QUERY
    assert made[1].query == QUERY


@pytest.mark.parametrize("broken", [{"length": 0}, {"width": 0}, {"top": 0}, {"start": " "}])
def test_a_budget_of_nothing_is_an_error(broken: dict[str, int | str]):
    with pytest.raises(RecipeError):
        GCG(**broken)


@pytest.fixture(autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
