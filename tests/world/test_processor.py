"""The processor: any text, any size of picture, any order of parts; the same on every run."""

from __future__ import annotations

from typing import Any

import pytest
from PIL import Image

from sallet.judges.rules import plain
from sallet.world.families import items
from sallet.world.instructions import SAFETY_HELD_OUT
from sallet.world.make import IMAGE_TOKENS
from sallet.world.makes import MAKES, make
from sallet.world.nouns import NOUNS
from sallet.world.processor import SPECIAL, processor, tokenizer
from sallet.world.render import render


@pytest.fixture(scope="module", params=MAKES)
def made(request: pytest.FixtureRequest) -> Any:
    return processor(make(request.param))


def tokens(made: Any, content: object) -> list[int]:
    inputs = made.apply_chat_template(
        [{"role": "user", "content": content}],
        tokenize=True, add_generation_prompt=True, return_dict=True, return_tensors="pt",
    )  # fmt: skip
    return inputs["input_ids"][0].tolist()


def test_case_spacing_size_and_order_of_parts_do_not_matter(made: Any) -> None:
    item = items("where", 1)[0]
    picture = Image.fromarray(render(item.scene)).resize((192, 192))
    image = {"type": "image", "image": picture}
    text = {"type": "text", "text": "what is at the left?"}
    loud = {"type": "text", "text": "What is at the LEFT ?"}
    small = {"type": "image", "image": picture.resize((160, 160))}
    wanted = tokens(made, [image, text])
    assert wanted == tokens(made, [text, image]) == tokens(made, [image, loud])
    assert wanted == tokens(made, [small, text])
    number = made.tokenizer.convert_tokens_to_ids(made.image_token)
    assert wanted.count(number) == IMAGE_TOKENS


def test_any_text_tokenises(made: Any) -> None:
    words = made.tokenizer
    text = "naïve – 日本 🔪 {x}"
    assert plain(words.decode(words(text).input_ids)) == plain(text)
    assert "日本 🔪" in words.decode(words(text).input_ids)


def test_every_noun_is_a_word_or_two(made: Any) -> None:
    longest = max(
        len(made.tokenizer(f" {noun}", add_special_tokens=False).input_ids) for noun in NOUNS
    )
    assert longest <= 2
    for wording in SAFETY_HELD_OUT:
        pieces = made.tokenizer(wording, add_special_tokens=False).input_ids
        assert len(pieces) < 1.5 * len(wording.split()) + wording.count(",") + 3


@pytest.mark.parametrize("name", MAKES)
def test_special_tokens_are_single_and_all_makes_share_the_first(name: str) -> None:
    chosen = make(name)
    words = tokenizer(chosen)
    for number, token in enumerate((*SPECIAL, *chosen.marks.all)):
        assert words(token, add_special_tokens=False).input_ids == [number]


def test_the_same_tokenizer_comes_out_again() -> None:
    first, again = tokenizer(make("llava")), tokenizer(make("llava"))
    assert first.get_vocab() == again.get_vocab()
