"""An encoder gives a descent its gradient, and answers nothing."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from transformers import SiglipConfig, SiglipImageProcessor, SiglipModel

from sallet import catalog
from sallet.attacks.pgd import PGD
from sallet.core.errors import InputError, ModelError
from sallet.core.goal import Goal
from sallet.core.image import Image
from sallet.core.query import Failure, Query
from sallet.judges.rules import Rules
from sallet.models.towers import Tower
from sallet.world.captions import every
from sallet.world.encoder import drawn
from sallet.world.render import render


@pytest.fixture(scope="module")
def tower() -> Tower:
    return catalog.build("model", "world/clip", device="cpu")


@pytest.fixture(scope="module")
def queries() -> list[Query]:
    return [Query.ask(Image(render(drawn(seed))), "what is it ?") for seed in (90_001, 90_002)]


def cosine(tower: Tower, query: Query, text: str) -> float:
    shown = [torch.tensor(i.pixels().copy()).permute(2, 0, 1) for i in query.images]
    with torch.no_grad():
        return float(tower.embed_images(shown)[0] @ tower.embed_texts([text])[0])


def test_a_descent_on_an_encoder_moves_the_filed_picture(tower: Tower, queries: list[Query]):
    wanted, right = every(drawn(90_003))[0], every(drawn(90_002))[0]
    goals = [Goal.say(wanted), Goal.stop_saying(right)]
    made = PGD(eps=16, steps=8)(tower, queries, goals, judge=Rules(), seed=0)
    assert [h.steps for h in made] == [8, 8]
    assert cosine(tower, made[0].query, wanted) > cosine(tower, queries[0], wanted) + 0.1
    assert cosine(tower, made[1].query, right) < cosine(tower, queries[1], right) - 0.1


def test_a_descent_may_be_led_by_pictures(queries: list[Query]):
    tower = catalog.build("model", "world/clip", device="cpu", toward="image")
    (wanted,) = Query.ask(Image(render(drawn(90_003)))).images
    (own,) = queries[1].images
    goals = [
        replace(Goal.say("this"), image=wanted),
        replace(Goal.stop_saying("that"), image=own),
    ]
    made = PGD(eps=16, steps=8)(tower, queries, goals, judge=Rules(), seed=0)
    with torch.no_grad():
        first, second, to, off = tower.embed_images(
            [i.tensor() for i in (*made[0].query.images, *made[1].query.images, wanted, own)]
        )
        clean = tower.embed_images([queries[0].images[0].tensor()])[0]
    assert float(first @ to) > float(clean @ to) + 0.1
    assert float(second @ off) < 0.9
    with pytest.raises(InputError, match="toward: text"):
        tower.loss(queries[:1], [Goal.say("a goal without a picture")])


def test_it_chooses_the_text_that_is_true_of_the_picture(tower: Tower, queries: list[Query]):
    texts = [every(drawn(seed))[0] for seed in (90_003, 90_002, 90_001)]
    assert tower.choose(queries, texts) == [texts[2], texts[1]]
    assert tower.choose(queries[::-1], texts) == [texts[1], texts[2]]


def test_it_takes_the_batch_as_one_by_one(tower: Tower, queries: list[Query]):
    goals = [Goal.say("a lion."), Goal.stop_saying("a lion.")]
    alone = [tower.loss([q], [g])[0] for q, g in zip(queries, goals, strict=True)]
    assert torch.allclose(tower.loss(queries, goals), torch.stack(alone), atol=1e-5)


def test_an_encoder_answers_with_a_failure_that_says_what_to_do(tower: Tower, queries: list[Query]):
    answers = tower.answer(queries)
    assert len(answers) == 2
    for answer in answers:
        assert isinstance(answer, Failure)
        assert isinstance(answer.error, ModelError)
        assert "sources" in str(answer.error)


def test_a_siglip_is_one_too(tower: Tower, queries: list[Query]):
    """Its own pooling and its texts at full length; no weights are shipped, so they are random."""
    text = {"vocab_size": len(tower.tokenizer), "max_position_embeddings": 16}
    small = {
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
    }
    torch.manual_seed(0)
    config = SiglipConfig(
        text_config={**small, **text}, vision_config={**small, "image_size": 32, "patch_size": 8}
    )
    pictures = SiglipImageProcessor(size={"height": 32, "width": 32})
    processor = SimpleNamespace(tokenizer=tower.tokenizer, image_processor=pictures)
    siglip = Tower(SiglipModel(config), processor, name="siglip")
    goals = [Goal.say("a lion."), Goal.say("a lion at the left.")]
    leaves = [query.images[0].tensor().requires_grad_() for query in queries]
    shown = [q.with_images([Image(leaf)]) for q, leaf in zip(queries, leaves, strict=True)]
    losses = siglip.loss(shown, goals)
    losses.sum().backward()
    assert all(leaf.grad is not None and leaf.grad.abs().max() > 0 for leaf in leaves)
    alone = [siglip.loss([q], [g])[0] for q, g in zip(queries, goals, strict=True)]
    assert torch.allclose(losses, torch.stack(alone), atol=1e-5)
    (made,) = PGD(eps=16, steps=6)(siglip, queries[:1], goals[:1], judge=Rules(), seed=0)
    assert made.end is not None
    assert made.start is not None
    assert made.end < made.start
    assert len(siglip.lexicon.embed("lion")) >= 1
