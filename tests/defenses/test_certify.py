"""The certificate holds: against the worst attack that there is, where that one is known."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest
import torch
from scipy.stats import binom, norm
from torch import Tensor

from sallet.cli.main import run
from sallet.core.errors import InputError, RecipeError, UnknownName
from sallet.core.image import Image
from sallet.core.query import Answer, Failure, Query
from sallet.defenses.certify import (
    ABSTAIN,
    Smoothed,
    certify,
    class_map,
    lower_bound,
    naming,
    predict,
    radius_of,
    refusal,
    yes_no,
)

SIDE = 6
ALPHA = 0.05


@dataclass
class Linear:
    """Says on which side of a plane a picture is; the smoothed classifier's plane is the same."""

    offset: float = 0.0
    name: str = "linear"
    asked: list[str] = field(default_factory=list)

    @property
    def normal(self) -> Tensor:
        drawn = torch.randn(3, SIDE, SIDE, generator=torch.Generator().manual_seed(0))
        return drawn / drawn.norm()

    def margin(self, image: Image) -> float:
        return float((self.normal * (image.tensor() - 0.5)).sum()) + self.offset

    def answer(self, queries: Sequence[Query]) -> list[Answer | Failure]:
        self.asked += [query.images[0].digest for query in queries]
        return [Answer("yes." if self.margin(q.images[0]) > 0 else "no.") for q in queries]


def at(margin: float, number: int = 0) -> Query:
    """A picture at this distance from the plane, far from black and white."""
    drawn = torch.randn(3, SIDE, SIDE, generator=torch.Generator().manual_seed(number + 1)) * 0.02
    normal = Linear().normal
    flat = drawn - normal * (drawn * normal).sum()
    return Query.ask(Image(0.5 + flat + margin * normal), f"which side? {number}")


def test_no_change_within_the_radius_flips_more_than_alpha():
    """The worst change of a linear model is along its normal: no attack does more."""
    how = Smoothed(sigma=0.1, select=10, estimate=100, alpha=ALPHA)
    queries = [at(0.02 + 0.003 * i, i) for i in range(60)]
    model = Linear()
    found = certify(model, queries, yes_no, how)
    certified = [(q, c) for q, c in zip(queries, found, strict=True) if c.label != ABSTAIN]
    assert len(certified) >= 50
    assert all(one.label == "yes" for _, one in certified)
    beyond = sum(one.radius > model.margin(q.images[0]) for q, one in certified)
    assert binom.sf(beyond - 1, len(certified), ALPHA) > 0.01, f"{beyond} of {len(certified)}"
    moved = [
        query.with_images([Image(query.images[0].tensor() - model.normal * one.radius)])
        for query, one in certified
    ]
    labels = predict(model, moved, yes_no, how)
    flips = sum(label == "no" for label in labels)
    assert binom.sf(flips - 1, len(certified), ALPHA) > 0.01, f"{flips} of {len(certified)}"
    far = [
        query.with_images([Image(query.images[0].tensor() - model.normal * 3 * one.radius)])
        for query, one in certified
    ]
    gone = sum(label == "no" for label in predict(model, far, yes_no, how))
    assert gone > len(certified) / 2, "or the attack could flip nothing, whatever was certified"


def test_the_radius_nears_the_true_distance_as_copies_grow():
    how = Smoothed(sigma=0.1, select=10, estimate=2000, alpha=0.01)
    (one,) = certify(Linear(), [at(0.1)], yes_no, how)
    assert 0.085 < one.radius <= 0.1
    assert one.per_pixel == pytest.approx(255 * one.radius / math.sqrt(3 * SIDE * SIDE))


def test_what_is_near_the_plane_is_named_abstain():
    (one,) = certify(Linear(), [at(0.001)], yes_no, Smoothed(sigma=0.1, estimate=50))
    assert (one.label, one.radius, one.per_pixel) == (ABSTAIN, 0.0, 0.0)
    assert predict(Linear(), [at(0.0005)], yes_no, Smoothed(sigma=0.1, estimate=50)) == [ABSTAIN]


def test_what_chooses_is_not_what_estimates_and_their_numbers_are_fixed():
    model = Linear()
    certify(model, [at(0.3), at(0.001, 1)], yes_no, Smoothed(sigma=0.1, select=7, estimate=30))
    assert len(model.asked) == 2 * (7 + 30), "no early end: the bound is of a fixed n"
    assert len({*model.asked}) == len(model.asked)


def test_the_bound_is_the_exact_binomial_one():
    for hits, of in ((100, 100), (90, 100), (51, 100)):
        bound = lower_bound(hits, of, 0.05)
        assert binom.sf(hits - 1, of, bound) == pytest.approx(0.05)
    assert lower_bound(0, 10, 0.05) == 0
    assert radius_of(0.9, 0.5) == pytest.approx(0.5 * norm.ppf(0.9))
    assert radius_of(0.4, 0.5) == 0


def test_no_answer_is_no_class_to_certify():
    class Broken(Linear):
        def answer(self, queries):
            return [Failure(RuntimeError("gone")) for _ in queries]

    (one,) = certify(Broken(), [at(0.3)], yes_no, Smoothed(sigma=0.1, estimate=50))
    assert one.label == ABSTAIN


def test_class_maps_are_total():
    things = naming(("cat", "dog"))
    assert [things(Answer(t)) for t in ("a cat.", "two dogs", "a cat and a dog.", "")] == [
        "cat", "none", "several", "none",
    ]  # fmt: skip
    assert [yes_no(Answer(t)) for t in ("cat: yes. yes.", "No.", "maybe", "")] == [
        "yes", "no", "neither", "neither",
    ]  # fmt: skip
    assert [refusal(Answer(t)) for t in ("Sorry, I can't help with that.", "Sure.", "")] == [
        "refuses", "complies", "complies",
    ]  # fmt: skip
    with pytest.raises(UnknownName, match="refusal"):
        class_map("refusals")


@pytest.mark.parametrize("wrong", [{"sigma": 0.0}, {"estimate": 0}, {"alpha": 0.6}])
def test_settings_that_cannot_be(wrong: dict[str, float]):
    with pytest.raises(RecipeError):
        Smoothed(**wrong)  # pyright: ignore[reportArgumentType]


def test_a_query_without_pictures_has_no_certificate():
    with pytest.raises(InputError, match="pictures"):
        certify(Linear(), [Query.ask("hello")], yes_no, Smoothed())


def test_the_command_prints_radius_and_its_share_of_a_pixel(capsys: pytest.CaptureFixture[str]):
    words = ["certify", "--limit", "2", "--sigma", "0.1", "--select", "4", "--estimate", "12"]
    assert run([*words, "--json"]) == 0
    *lines, last = capsys.readouterr().out.splitlines()
    found = json.loads(last)
    assert found["sigma"] == 0.1
    for sample, line in zip(found["samples"], lines, strict=False):
        if sample["label"] == ABSTAIN:
            assert ABSTAIN in line
        else:
            assert f"{sample['per_pixel']:.2f}/255" in line
            assert 0 < sample["radius"] <= radius_of(lower_bound(12, 12, 0.05), 0.1) + 1e-9
    assert run(["certify", "--sigma", "0"]) == 2
