"""A picture and its captions, changed together: an encoder no longer finds one by the other."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from sallet import catalog
from sallet.attacks.sga import SGA, Pair, farthest, swaps
from sallet.attacks.threat import Threat, floats
from sallet.core.errors import RecipeError
from sallet.core.image import Image
from sallet.models.towers import Tower
from sallet.world.captions import every
from sallet.world.encoder import drawn
from sallet.world.nouns import NOUNS
from sallet.world.render import render

SGA_8 = SGA(eps=8, steps=8, scales=(0.5, 1.0))


@pytest.fixture(scope="module")
def tower() -> Tower:
    return catalog.build("model", "world/clip", device="cpu")


@pytest.fixture(scope="module")
def pairs() -> list[Pair]:
    scenes = [drawn(seed) for seed in range(90_010, 90_018)]
    return [Pair(Image(render(scene)), every(scene)[:2]) for scene in scenes]


def kept(word: str) -> bool:
    return word in {part for noun in NOUNS for part in noun.split()}


@torch.no_grad()
def found(tower: Tower, pairs: list[Pair]) -> tuple[float, float]:
    """Recall at one, pictures to captions and captions to pictures."""
    owner = torch.tensor([i for i, pair in enumerate(pairs) for _ in pair.captions])
    seen = tower.embed_images([floats(pair.image) for pair in pairs])
    said = tower.embed_texts([text for pair in pairs for text in pair.captions])
    alike = seen @ said.T
    to_text = owner[alike.argmax(1)] == torch.arange(len(pairs))
    to_image = alike.argmax(0) == owner
    return float(to_text.float().mean()), float(to_image.float().mean())


def test_retrieval_that_was_right_fails_and_noise_does_not_do_it(tower: Tower, pairs: list[Pair]):
    made = SGA_8(tower, pairs, reword=swaps(tower, candidates=4, keep=kept), seed=0)
    generator, threat = torch.Generator().manual_seed(0), Threat("linf", 8)
    noise = [
        Pair(threat.file(floats(p.image), threat.start(floats(p.image), generator)), p.captions)
        for p in pairs
    ]
    assert found(tower, pairs) == found(tower, noise) == (1.0, 1.0)
    assert max(found(tower, [*made])) <= 0.5
    for one, pair in zip(made, pairs, strict=True):
        change = one.image.pixels().astype(int) - pair.image.pixels()
        assert 0 < np.abs(change).max() <= 8
        assert one.end < one.start - 0.1
        for new, old in zip(one.captions, pair.captions, strict=True):
            assert [w for w in new.split() if kept(w)] == [w for w in old.split() if kept(w)]
            assert sum(a != b for a, b in zip(new.split(), old.split(), strict=True)) <= 1


def test_the_text_that_is_taken_is_the_farthest(tower: Tower, pairs: list[Pair]):
    pair = pairs[0]
    with torch.no_grad():
        (seen,) = tower.embed_images([floats(pair.image)])
    texts = [pair.captions[0], pairs[1].captions[0], pairs[2].captions[0]]
    with torch.no_grad():
        alike = tower.embed_texts(texts) @ seen
    assert alike.argmax() == 0
    taken = farthest(tower, seen, Pair(pair.image, (texts[0],)), lambda _: texts[1:])
    assert taken == (texts[int(alike.argmin())],)
    assert farthest(tower, seen, pair, lambda _: ()) == pair.captions


def test_a_pair_is_attacked_alike_in_any_company(tower: Tower, pairs: list[Pair]):
    attack = SGA(eps=8, steps=2, scales=(1.0,))

    def made(some: list[Pair]) -> list[Image]:
        return [one.image for one in attack(tower, some, reword=lambda _: (), seed=3)]

    (alone,), together = made(pairs[1:2]), made(pairs[:3])
    differ = (alone.pixels() != together[1].pixels()).mean()
    assert differ < 0.001  # a sign of a gradient near zero


@pytest.mark.parametrize("wrong", [{"steps": 0}, {"scales": ()}, {"scales": (0.0,)}, {"eps": 0.03}])
def test_wrong_settings_are_refused(wrong: dict[str, object]):
    with pytest.raises(RecipeError):
        SGA(**wrong)  # pyright: ignore[reportArgumentType]
