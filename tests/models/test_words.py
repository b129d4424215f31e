"""What words are to a model, in every family: where they stand, and which way they should move."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from sallet.core.errors import ModelError
from sallet.core.goal import Goal
from sallet.core.query import Message, Query
from sallet.core.worded import Worded
from sallet.models.local import HFModel
from tests.models.families import every_family, image

SUFFIX = "! ! the cat ! !"
GOAL = Goal.say("the red cat")


def asked(suffix: str = SUFFIX) -> Query:
    """Pictures before and after the words, in a chat of two turns: what moves token positions."""
    said = Message("assistant", ("a red car",))
    last = Query.ask(f"is it the cat? {suffix}", image(2)).messages
    return Query.ask(image(1), "what is this?").with_turns(said, *last)


def where(model: HFModel, text: str) -> int:
    """The token of a whole word."""
    vocabulary = model.words.vocabulary()
    pairs = zip(vocabulary.texts, vocabulary.whole.tolist(), strict=True)
    (at,) = [i for i, (own, whole) in enumerate(pairs) if whole and own == text]
    return int(vocabulary.ids[at])


@every_family
def test_the_gradient_to_the_words_is_the_slope(model: HFModel) -> None:
    assert isinstance(model, Worded)
    queries, goals = [asked(), Query.ask("hi", SUFFIX)], [GOAL, Goal.say("a dog")]
    tokens = model.words.tokens(asked(), SUFFIX)
    width = model.words.vocabulary().vectors.shape[1]
    nudge = torch.zeros(len(tokens), width, requires_grad=True)
    loss = model.nudged(queries, goals, SUFFIX, nudge).loss
    assert torch.allclose(loss, model.loss(queries, goals), atol=1e-5)
    direction = torch.randn(nudge.shape, generator=torch.Generator().manual_seed(0))
    step = 1e-2 * direction
    with torch.no_grad():
        ahead, behind = (model.nudged(queries, goals, SUFFIX, s).loss for s in (step, -step))
    for i in range(2):
        (gradient,) = torch.autograd.grad(loss[i], nudge, retain_graph=True)
        slope, found = (ahead[i] - behind[i]) / 2e-2, (gradient * direction).sum()
        assert abs(slope - found) < 1e-2 * gradient.norm()
        assert gradient.norm() > 0


@every_family
def test_a_token_moved_to_another_ones_place_is_that_token(model: HFModel) -> None:
    tokens = list(model.words.tokens(asked(), SUFFIX))
    cat, dog = where(model, "cat"), where(model, "dog")
    at = tokens.index(cat)
    swapped = [*tokens[:at], dog, *tokens[at + 1 :]]
    text = model.words.respell(asked(), SUFFIX, swapped)
    assert text == SUFFIX.replace("cat", "dog")
    vocabulary = model.words.vocabulary()
    vectors = dict(zip(vocabulary.ids.tolist(), vocabulary.vectors, strict=True))
    nudge = torch.zeros(len(tokens), vocabulary.vectors.shape[1])
    nudge[at] = vectors[dog] - vectors[cat]
    moved = model.nudged([asked()], [GOAL], SUFFIX, nudge).loss
    assert torch.allclose(moved, model.loss([asked(text)], [GOAL]), atol=1e-4)
    assert model.words.tokens(asked(text), text) == tuple(swapped)


@every_family
def test_a_remembered_prompt_is_what_the_processor_makes(
    folder: Callable[[str], Path], request: pytest.FixtureRequest, model: HFModel
) -> None:
    family = request.node.callspec.params["model"]
    fresh = HFModel.from_pretrained(folder(family))
    tokens = list(model.words.tokens(asked(), SUFFIX))
    tokens[0] = where(model, "dog")
    text = model.words.respell(asked(), SUFFIX, tokens)
    if text is not None:  # else nothing was remembered
        with torch.no_grad():
            ours, theirs = (one.loss([asked(text)], [GOAL]) for one in (model, fresh))
        assert torch.equal(ours, theirs)


@every_family
def test_what_cannot_be_typed_is_no_token(model: HFModel) -> None:
    vocabulary, tokenizer = model.words.vocabulary(), model.processor.tokenizer
    assert not {*tokenizer.all_special_ids} & {*vocabulary.ids.tolist()}
    assert all(text.strip() and text.isprintable() for text in vocabulary.texts)
    tokens = list(model.words.tokens(asked(), SUFFIX))
    tokens[1] = tokenizer.eos_token_id
    assert model.words.respell(asked(), SUFFIX, tokens) is None


def test_words_that_a_tokenizer_would_join_are_not_respelled(
    load: Callable[[str], HFModel],
) -> None:
    """`c`, `at` are typed as `cat`, and read as one token."""
    model = load("qwen3-vl")
    split = [model.processor.tokenizer.convert_tokens_to_ids(t) for t in ("Ġc", "at")]
    assert None not in split
    tokens = list(model.words.tokens(asked(), SUFFIX))
    assert model.words.respell(asked(), SUFFIX, [*tokens[:2], *split, *tokens[4:]]) is None


@every_family
def test_words_that_are_nowhere_leave_the_loss_as_it_is(model: HFModel) -> None:
    query = Query.ask(image(1), "what is this?")
    assert model.words.tokens(query, SUFFIX) == ()
    nudge = torch.ones(6, model.words.vocabulary().vectors.shape[1], requires_grad=True)
    loss = model.nudged([query], [GOAL], SUFFIX, nudge).loss
    assert torch.allclose(loss, model.loss([query], [GOAL]))
    assert torch.autograd.grad(loss.sum(), nudge)[0].abs().max() == 0


@every_family
def test_a_goal_that_cannot_be_said_names_the_words(model: HFModel) -> None:
    if "Ġ" in model.processor.tokenizer.get_vocab():  # bytes say everything
        assert model.loss([Query.ask("hi")], [Goal.say("日本")]) > 0
        return
    for text in ("日本", "the 日本 cat"):
        with pytest.raises(ModelError, match="cannot say '日本'"):
            model.loss([Query.ask("hi")], [Goal.say(text)])


def test_an_unknown_token_in_a_goal_is_named(folder: Callable[[str], Path]) -> None:
    model = HFModel.from_pretrained(folder("llava"))
    tokenizer = model.processor.tokenizer
    tokenizer.backend_tokenizer.model.unk_token = "<pad>"
    tokenizer.unk_token = "<pad>"
    with pytest.raises(ModelError, match="cannot say '日本'"):
        model.loss([Query.ask("hi")], [Goal.say("the 日本 cat")])
    assert model.loss([Query.ask("hi")], [GOAL]) > 0
