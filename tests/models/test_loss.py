"""What `loss` promises, in every family."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from PIL import Image as Pil

from sallet.core.errors import ModelError, NoGradient, UsageError
from sallet.core.goal import Goal
from sallet.core.image import Image
from sallet.core.query import Message, Query
from sallet.models import parity
from sallet.models.local import HFModel
from tests.models.families import (
    answered,
    chat,
    close,
    every_family,
    goals,
    image,
    varied,
    with_pixels,
)


@every_family
def test_a_batch_equals_its_rows(model: HFModel) -> None:
    queries, leaves = with_pixels(varied(5))
    pooled = model.loss(queries, goals(5))
    alone = torch.cat([model.loss([q], [g]) for q, g in zip(queries, goals(5), strict=True)])
    assert close(pooled, alone)
    pooled_grads = torch.autograd.grad(pooled.sum(), leaves)
    for ours, theirs in zip(pooled_grads, torch.autograd.grad(alone.sum(), leaves), strict=True):
        assert close(ours, theirs, 1e-3)


@every_family
def test_the_gradient_is_the_slope(model: HFModel) -> None:
    query = Query.ask(image(1), image(2), "what is this?")
    assert parity.slope_error(model, query, Goal.say("the red cat")) < 5e-3


@every_family
def test_the_gradient_reaches_every_image(model: HFModel) -> None:
    (query,), leaves = with_pixels([chat()])
    grads = torch.autograd.grad(model.loss([query], goals(1)).sum(), leaves)
    for grad in grads:
        assert grad.isfinite().all()
        assert (grad != 0).any(0).float().mean() > 0.5  # cropping may hide the edges


def test_the_gradient_passes_a_defence_that_is_not_a_leaf(
    load: Callable[[str], HFModel],
) -> None:
    leaf = image().tensor().requires_grad_()
    query = Query.ask(Image(leaf).view(lambda seen: seen * 0.9 + 0.05), "what is this?")
    load("llava").loss([query], goals(1)).sum().backward()
    assert leaf.grad is not None
    assert leaf.grad.abs().sum() > 0
    assert all(p.grad is None and not p.requires_grad for p in load("llava").model.parameters())


@every_family
def test_a_model_that_learned_a_reply_says_it(
    folder: Callable[[str], Path], request: pytest.FixtureRequest, model: HFModel
) -> None:
    """Teacher forcing and generation agree: same tokens, same positions, same end."""
    family = request.node.callspec.params["model"]
    pupil = HFModel.from_pretrained(folder(family), end_of_turn=True)
    query, reply = Query.ask(image(3), "what is this?", max_tokens=12), "a red car near the house"
    weights = list(pupil.model.requires_grad_(True).parameters())
    descent = torch.optim.Adam(weights, lr=1e-2)
    for _ in range(60):
        descent.zero_grad()
        loss = pupil.loss([query], [Goal.say(reply)]).sum()
        loss.backward()
        descent.step()
        if loss < 1e-2:
            break
    (answer,) = answered(pupil.answer([query]))
    assert (answer.text, answer.finish) == (reply, "stop")
    assert pupil.predicted(query, reply) == pupil.target_ids(query, reply)
    assert answer.usage.completion == len(pupil.target_ids(query, reply))
    assert model.target_ids(query, reply) == pupil.target_ids(query, reply)[:-1]


@every_family
def test_a_target_is_what_the_template_trains_on(model: HFModel) -> None:
    processor, reply = model.processor, "the red cat is near"
    query = Query.ask(image(), "what is this?")
    pictures = [[Pil.fromarray(one.pixels()) for one in query.images]]

    def ids(text: str) -> list[int]:
        bos = processor.tokenizer.bos_token
        settings = {"add_special_tokens": not (bos and text.startswith(bos))}
        out = processor(text=[text], images=pictures, text_kwargs=settings)
        return list(out["input_ids"][0])

    prompt = ids(model.render(query))
    chat = [
        {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "what is this?"}]},
        {"role": "assistant", "content": [{"type": "text", "text": reply}]},
    ]
    trained = ids(processor.apply_chat_template(chat, tokenize=False))
    wanted = prompt + model.target_ids(query, reply)
    assert trained[: len(wanted)] == wanted


@every_family
def test_words_alone_have_a_loss(model: HFModel) -> None:
    queries = [Query.ask("what is this?"), Query.ask("describe the sky please", system="yes")]
    losses = model.loss(queries, goals(2))
    assert losses.shape == (2,)
    assert losses[0] > 0 > losses[1]  # the second goal is to stop saying something


@every_family
def test_recomputing_changes_nothing(
    folder: Callable[[str], Path], request: pytest.FixtureRequest, model: HFModel
) -> None:
    family = request.node.callspec.params["model"]
    saver = HFModel.from_pretrained(folder(family), checkpointing=True)
    (query,), leaves = with_pixels([Query.ask(image(1), "what is this?", max_tokens=4)])
    for one in (model, saver):
        assert not one.model.training
    ours = torch.autograd.grad(model.loss([query], goals(1)).sum(), leaves)
    passes: list[int] = []
    norm = next(m for n, m in saver.model.named_modules() if n.endswith("input_layernorm"))
    norm.register_forward_hook(lambda *_: passes.append(1))
    theirs = torch.autograd.grad(saver.loss([query], goals(1)).sum(), leaves)
    assert len(passes) == 2  # forward, and once more on the way back
    assert close(ours[0], theirs[0], 1e-5)
    assert saver.answer([query]) == model.answer([query])


@every_family
def test_bfloat16_gradients_point_the_same_way(
    folder: Callable[[str], Path], request: pytest.FixtureRequest, model: HFModel
) -> None:
    family = request.node.callspec.params["model"]
    half = HFModel.from_pretrained(folder(family), loss_dtype=torch.bfloat16)
    (query,), leaves = with_pixels([Query.ask(image(1), "what is this?")])
    ours, theirs = (
        torch.autograd.grad(one.loss([query], goals(1)).sum(), leaves)[0].flatten()
        for one in (model, half)
    )
    assert torch.nn.functional.cosine_similarity(ours, theirs, dim=0) > 0.95


def test_a_mid_grey_start_is_not_taken_for_padding(load: Callable[[str], HFModel]) -> None:
    grey = torch.full((3, 60, 60), 0.5, requires_grad=True)
    query = Query.ask(Image(grey), "what is this?")
    load("idefics3").loss([query], goals(1)).sum().backward()
    assert grey.grad is not None
    assert grey.grad.abs().sum() > 0


def test_another_image_of_the_same_size_is_another_loss(load: Callable[[str], HFModel]) -> None:
    """What is remembered is words and sizes, never pixels."""
    first, second = (
        load("qwen3-vl").loss([Query.ask(Image(parity.noise(60, 60, seed)), "hi")], goals(1))
        for seed in (0, 1)
    )
    assert first != second


def test_a_format_without_gradients_says_what_remains(folder: Callable[[str], Path]) -> None:
    model = HFModel.from_pretrained(folder("llava"))
    model.model.hf_quantizer = SimpleNamespace(is_trainable=False)
    with pytest.raises(NoGradient, match="query-based attacks"):
        model.loss([Query.ask(image(), "hi")], goals(1))


def test_clear_errors(load: Callable[[str], HFModel]) -> None:
    model = load("llava")
    with pytest.raises(UsageError, match="as many goals"):
        model.loss([Query.ask("hi")], [])
    with pytest.raises(ModelError, match="at least one token"):
        model.loss([Query.ask("hi")], [Goal.say(" ")])
    with pytest.raises(ModelError, match="the model holds"):
        model.loss([Query.ask("please " * 3000)], goals(1))
    assert model.loss([], []).shape == (0,)
    refused = Query((Message("assistant", ("hi",)), Message("tool", ("yes",))))
    with pytest.raises(ModelError, match="template refuses"):
        load("llava-next").loss([refused], goals(1))
