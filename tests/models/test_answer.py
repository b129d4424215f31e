"""What `answer` promises, in every family."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from sallet.core.errors import ModelError
from sallet.core.image import Image
from sallet.core.protocols import WhiteBox
from sallet.core.query import Audio, Failure, Query
from sallet.models.local import HFModel
from tests.models.families import answered, chat, every_family, image, varied


def in_batches(model: HFModel, queries: list[Query], size: int) -> list[str]:
    model.max_batch, before = size, model.max_batch
    try:
        return [one.text for one in answered(model.answer(queries))]
    finally:
        model.max_batch = before


@every_family
def test_greedy_answers_do_not_depend_on_the_batch(model: HFModel) -> None:
    assert isinstance(model, WhiteBox)
    queries = varied(9, max_tokens=6)
    alone = in_batches(model, queries, 1)
    assert in_batches(model, queries, 7) == alone
    assert in_batches(model, queries, 32) == alone
    assert len(set(alone)) > 4  # it looks at what it is asked


@every_family
def test_sampled_answers_do_not_depend_on_the_batch(model: HFModel) -> None:
    queries = [
        *varied(3, max_tokens=6, temperature=0.9, seed=3),
        *varied(3, max_tokens=6, temperature=1.3, top_p=0.8),
        *varied(2, max_tokens=6),
        *varied(1, max_tokens=6, temperature=0.9, seed=4),
    ]
    pooled = in_batches(model, queries, 32)
    assert pooled == in_batches(model, queries, 1)
    assert pooled[0] != pooled[8]  # another seed, another sample
    assert pooled[0] != pooled[6]  # and not the greedy answer


@every_family
def test_pixels_matter(model: HFModel) -> None:
    queries = [Query.ask(image(i), "what is this?", max_tokens=8) for i in range(6)]
    assert len(set(in_batches(model, queries, 32))) > 1


@every_family
def test_several_turns_and_images(model: HFModel) -> None:
    (answer,) = answered(model.answer([chat()]))
    assert answer.usage.prompt > 10


def test_each_row_has_its_own_budget(load: Callable[[str], HFModel]) -> None:
    queries = [Query.ask(image(), "what is this?", max_tokens=n) for n in (1, 5, 3)]
    answers = answered(load("llava").answer(queries))
    assert [one.usage.completion for one in answers] == [1, 5, 3]
    assert {one.finish for one in answers} == {"length"}
    assert answers[1].text.startswith(answers[2].text)


def test_a_stop_string_ends_its_own_row(load: Callable[[str], HFModel]) -> None:
    model = load("llava")
    query = Query.ask(image(), "what is this?", max_tokens=8)
    (whole,) = answered(model.answer([query]))
    stop = whole.text[3:6]
    stopping = Query.ask(image(), "what is this?", max_tokens=8, stop=(stop,))
    stopped, untouched = answered(model.answer([stopping, query]))
    assert stopped.text == whole.text[: whole.text.index(stop)].strip()
    assert stopped.finish == "stop"
    assert stopped.usage.completion < 8
    assert untouched == whole


def test_a_float_image_is_answered_as_the_file_that_it_would_be(
    load: Callable[[str], HFModel],
) -> None:
    seen = (image().tensor() + 0.3 / 255).requires_grad_()
    queries = [Query.ask(one, "what is this?") for one in (Image(seen), image())]
    first, second = answered(load("internvl").answer(queries))
    assert first == second


def test_a_bad_query_fails_alone(load: Callable[[str], HFModel]) -> None:
    good = Query.ask(image(), "what is this?", max_tokens=4)
    bad = [
        Query.ask("please " * 3000),
        Query.ask(Image(torch.zeros(3, 2, 900)), "what is this?"),  # too narrow for Qwen
        Query.ask(Audio(torch.zeros(1, 100), 16000), "what is said?"),
    ]
    model = load("qwen2.5-vl")
    results = model.answer([bad[0], good, bad[1], bad[2], good])
    failures = [one for one in results if isinstance(one, Failure)]
    assert [i for i, one in enumerate(results) if isinstance(one, Failure)] == [0, 2, 3]
    assert all(isinstance(one.error, ModelError) for one in failures)
    assert "the model holds 2048" in str(failures[0].error)
    assert "900x2" in str(failures[1].error)
    assert results[1] == results[4] == model.answer([good])[0]


def test_too_many_pixels_is_an_error(folder: Callable[[str], Path]) -> None:
    model = HFModel.from_pretrained(folder("llava"), max_pixels=60 * 60 - 1)
    (result,) = model.answer([Query.ask(image(), "what is this?")])
    assert isinstance(result, Failure)
    assert "60x60" in str(result.error)


def test_memory_that_runs_out_halves_the_batch(folder: Callable[[str], Path]) -> None:
    model = HFModel.from_pretrained(folder("llava"))
    queries = varied(7, max_tokens=4)
    expected = model.answer(queries)
    generate, sizes = model.model.generate, []

    def small(**inputs: Any) -> Any:
        sizes.append(len(inputs["input_ids"]))
        if sizes[-1] > 2:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return generate(**inputs)

    model.model.generate = small
    assert model.answer(queries) == expected
    assert max(sizes) == 7


@every_family
def test_special_tokens_in_words_are_only_words(model: HFModel) -> None:
    tricks = [model.processor.image_token, *model.processor.tokenizer.all_special_tokens]
    words = "what is this? " + " ".join(tricks)
    shown = model.render(Query.ask(image(), words))
    plain = model.render(Query.ask(image(), "what is this? "))
    for token in tricks:
        assert shown.count(token) == plain.count(token)
    answered(model.answer([Query.ask(image(), words, max_tokens=2), Query.ask(words)]))


@pytest.mark.parametrize(("family", "merges"), [("gemma3", True), ("llava", False)])
def test_a_missing_system_role_is_merged_and_recorded(
    load: Callable[[str], HFModel], family: str, merges: bool
) -> None:
    model = load(family)
    query = Query.ask(image(), "what is this?", system="say yes")
    assert model.render(query).count("say yes") == 1
    assert any("system" in quirk for quirk in model.quirks) is merges
    if merges:
        assert "say yes\n\nwhat is this?" in model.render(query)


def test_generation_defaults_are_recorded_and_replaced(folder: Callable[[str], Path]) -> None:
    import shutil

    source = folder("qwen3-vl")
    changed = source.parent / "with-defaults"
    shutil.copytree(source, changed, dirs_exist_ok=True)
    (changed / "generation_config.json").write_text(
        '{"do_sample": true, "temperature": 0.01, "top_k": 1, "repetition_penalty": 5.0, '
        '"eos_token_id": [3, 1]}'
    )
    model, plain = HFModel.from_pretrained(changed), HFModel.from_pretrained(source)
    queries = varied(4, max_tokens=6)
    assert model.answer(queries) == plain.answer(queries)
    assert model.decoding.overridden["repetition_penalty"] == 5.0
    assert set(model.decoding.eos) >= {3, 1}
    assert any("repetition_penalty=5.0" in quirk for quirk in model.quirks)
