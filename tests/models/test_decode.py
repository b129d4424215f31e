"""The sampler is an exact one, and reads of the checkpoint what it must."""

from __future__ import annotations

from collections.abc import Callable

import torch

from sallet.core.query import Query
from sallet.models.decode import Decoding, GumbelRows, Row, read
from sallet.models.local import HFModel

LOGITS = torch.tensor([2.0, 1.0, 0.0, -1.0])


def drawn(temperature: float, top_p: float, n: int = 4000) -> torch.Tensor:
    """The share of each token over `n` rows with seeds of their own."""
    rows = [Row(temperature, top_p, seed, 1, (), 1) for seed in range(n)]
    chosen = GumbelRows(rows)(torch.zeros(n, 1), LOGITS.expand(n, -1)).argmax(-1)
    return torch.bincount(chosen, minlength=4) / n


def test_gumbel_noise_samples_the_softmax() -> None:
    for temperature in (0.7, 1.0):
        wanted = (LOGITS / temperature).softmax(-1)
        assert (drawn(temperature, 1.0) - wanted).abs().max() < 0.03


def test_top_p_keeps_the_smallest_set_that_reaches_it() -> None:
    shares = LOGITS.softmax(-1)  # .64 .24 .09 .03
    kept = drawn(1.0, 0.8)
    assert kept[2:].sum() == 0
    assert (kept[:2] - shares[:2] / shares[:2].sum()).abs().max() < 0.03
    assert drawn(1.0, 0.01)[0] == 1


def test_temperature_zero_is_untouched() -> None:
    rows = [Row(0, 1.0, 0, 1, (), 1), Row(1.0, 1.0, 0, 1, (), 1)]
    scores = torch.stack([LOGITS, LOGITS])
    noisy = GumbelRows(rows)(torch.zeros(2, 1), scores)
    assert torch.equal(noisy[0], LOGITS)
    assert not torch.equal(noisy[1], LOGITS)


def test_a_query_without_a_seed_samples_by_its_digest() -> None:
    first, second = (Query.ask(text, temperature=1.0) for text in ("hi", "ho"))
    assert Row.of(first, 3, None).seed == Row.of(first, 3, None).seed
    assert Row.of(first, 3, None).seed != Row.of(second, 3, None).seed
    assert Row.of(Query.ask("hi", temperature=1.0, seed=7), 3, None).seed == 7


def test_the_context_bounds_the_budget() -> None:
    query = Query.ask("hi", max_tokens=50)
    assert Row.of(query, 90, 100).budget == 10
    assert Row.of(query, 90, None).budget == 50


def test_reasoning_is_kept_apart(load: Callable[[str], HFModel]) -> None:
    tokenizer = load("qwen3-vl").processor.tokenizer
    ids = torch.tensor(tokenizer("<think>the sky</think> a red car").input_ids)
    answer = read(ids, Row(0, 1, 0, 99, (), 5), Decoding((), 0, {}), tokenizer)
    assert (answer.text, answer.reasoning, answer.finish) == ("a red car", "the sky", "length")
    assert answer.usage.prompt == 5


def test_an_answer_ends_at_any_eos(load: Callable[[str], HFModel]) -> None:
    tokenizer = load("qwen3-vl").processor.tokenizer
    red, car = (tokenizer(word).input_ids[0] for word in (" red", " car"))
    for eos in (tokenizer.eos_token_id, tokenizer.pad_token_id):
        ids = torch.tensor([red, eos, car, car])
        decoding = Decoding((tokenizer.eos_token_id, tokenizer.pad_token_id), 0, {})
        answer = read(ids, Row(0, 1, 0, 99, (), 5), decoding, tokenizer)
        assert (answer.text, answer.finish, answer.usage.completion) == ("red", "stop", 2)
