"""From a chat to token ids, through the checkpoint's own template and processor.

Encoding depends on the words and on the sizes of the images, never on their pixels, so it is
remembered: an attack of a thousand steps encodes its prompts once.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Literal, TypeAlias

import torch
from jinja2 import TemplateError
from torch import Tensor

from sallet.core.errors import ModelError
from sallet.core.image import Image
from sallet.core.query import Audio, Query
from sallet.models.pixels import Pixels

Size: TypeAlias = tuple[int, int]
Turn: TypeAlias = tuple[str, tuple[str | Size, ...]]
Turns: TypeAlias = tuple[Turn, ...]
Style: TypeAlias = Literal["parts", "string", "merge"]

REMEMBERED = 2048
_PROBE = "zebra"


@dataclass(frozen=True, eq=False)
class Encoded:
    """A prompt's token ids, and what else the model wants for each token (its modality)."""

    ids: Tensor
    kinds: Mapping[str, Tensor] = field(default_factory=dict[str, Tensor])


def turns_of(query: Query, sizes: Sequence[Size]) -> Turns:
    """The chat as a hashable value, with image sizes in the places of the images."""
    supply = iter(sizes)

    def part(one: object) -> str | Size:
        if isinstance(one, Audio):
            raise ModelError("this model takes no audio; give it images and text")
        return next(supply) if isinstance(one, Image) else str(one)

    return tuple((m.role, tuple(part(p) for p in m.parts)) for m in query.messages)


class Prompter:
    """Renders, tokenises and remembers prompts and targets.

    A literal special token in somebody's words (`<image>`) is broken by a blank after its first
    character, so that words can neither add images nor end a turn.
    """

    def __init__(self, processor: Any, pixels: Pixels, eos: Sequence[int]) -> None:
        self._processor, self._tokenizer, self._pixels = processor, processor.tokenizer, pixels
        self._eos = frozenset(eos)
        self._special = _special_pattern(processor)
        self._image_token = str(processor.image_token)
        if not (processor.chat_template or self._tokenizer.chat_template):
            raise ModelError(
                "the checkpoint has no chat template, so its prompt format is unknown; "
                "put its chat_template.jinja into the folder"
            )
        self._user: Style = "parts"
        self._user = self._style_of("user")
        self._system = self._style_of("system")
        self.merges_system = self._system == "merge"
        self._lead, self._closing = self._around_reply()
        self._known: dict[Turns, Encoded] = {}
        self.target = lru_cache(REMEMBERED)(self._target)
        self.check_sayable = lru_cache(REMEMBERED)(self._check_sayable)

    def prompt(self, turns: Turns) -> Encoded:
        """Token ids with every image's placeholders, exactly as the processor makes them."""
        if turns not in self._known:
            self.remember(turns, self._prompt(turns))
        return self._known[turns]

    def remember(self, turns: Turns, encoded: Encoded) -> None:
        """Spares the processor a prompt that is known; the oldest are forgotten."""
        while len(self._known) >= REMEMBERED:
            del self._known[next(iter(self._known))]
        self._known[turns] = encoded

    def render(self, turns: Turns, *, reply: bool = True) -> str:
        """The prompt as text, one placeholder an image, up to where the model speaks."""
        if self._system == "merge":
            turns = _merge_system(turns)
        chat = [{"role": role, "content": self._content(role, parts)} for role, parts in turns]
        try:
            return str(
                self._processor.apply_chat_template(
                    chat, add_generation_prompt=reply, tokenize=False
                )
            )
        except (TemplateError, TypeError, ValueError, KeyError, IndexError) as error:
            raise ModelError(f"the chat template refuses this chat: {error}") from error

    def _prompt(self, turns: Turns) -> Encoded:
        text = self.render(turns)
        sizes = [part for _, parts in turns for part in parts if not isinstance(part, str)]
        if text.count(self._image_token) != len(sizes):
            raise ModelError(
                f"the chat template made {text.count(self._image_token)} image placeholders "
                f"for {len(sizes)} images; this checkpoint cannot take this chat"
            )
        blank = [torch.zeros(3, *size, dtype=torch.uint8) for size in sizes]
        try:
            out = self._pixels.learn(
                lambda: self._processor(
                    text=[text],
                    images=[blank] if blank else None,
                    text_kwargs={"add_special_tokens": self._adds_bos(text)},
                    images_kwargs={"input_data_format": "channels_first"},
                    return_tensors="pt",
                )
            )
        except (ValueError, RuntimeError, IndexError) as error:
            shown = ", ".join(f"{w}x{h}" for h, w in sizes)
            raise ModelError(f"the processor cannot take images of {shown}: {error}") from error
        ids = out["input_ids"]
        kinds = {
            key: value[0]
            for key, value in out.items()
            if key.endswith("type_ids") and value.shape == ids.shape
        }
        return Encoded(ids[0], kinds)

    def _target(self, turns: Turns, text: str, end: bool) -> Tensor:
        """The ids that the model itself would emit to say `text` at the end of this prompt.

        The words are tokenised together with the prompt and the blank that the template puts
        before a reply, and taken off after it; `end` adds the token that ends the turn.
        """
        words = self.plain(text).strip()
        if not words:
            raise ModelError("a goal's text must have at least one token; it is empty")
        self.check_sayable(words)
        said = self._lead + words
        prompt = self.render(turns)
        before, joint = self._ids(prompt), self._ids(prompt + said)
        if joint[: len(before)] == before and len(joint) > len(before):
            ids = joint[len(before) :]
        else:  # the boundary merged: the reply begins afresh after the prompt's own tokens
            ids = list(self._tokenizer(said, add_special_tokens=False)["input_ids"])
        return torch.tensor([*ids, self._end()] if end else ids)

    def plain(self, text: str) -> str:
        """`text` with its literal special tokens broken."""
        return self._special.sub(lambda m: f"{m[0][0]} {m[0][1:]}", text)

    def _check_sayable(self, text: str) -> None:
        """Raises where the model has no tokens for some of the words."""
        words = text.split()
        each = self._tokenizer(words, add_special_tokens=False)["input_ids"]
        unknown = self._tokenizer.unk_token_id
        lost = [
            word
            for word, ids in zip(words, each, strict=True)
            if (unknown is not None and unknown in ids) or not self.spell(ids)
        ]
        if lost:
            raise ModelError(
                f"this model's tokenizer cannot say {', '.join(map(repr, lost))}: give the goal a "
                "text in words that the model knows"
            )

    def _ids(self, text: str) -> list[int]:
        return list(self._tokenizer(text, add_special_tokens=self._adds_bos(text))["input_ids"])

    def spans(self, text: str) -> list[tuple[int, int, int]]:
        """Each token of a rendered prompt, and from where to where in the text it goes."""
        if not self._tokenizer.is_fast:
            raise ModelError(
                "this checkpoint's tokenizer cannot tell which characters a token stands for; "
                "attacks on single tokens need a fast one (tokenizer.json)"
            )
        settings = {"add_special_tokens": self._adds_bos(text), "return_offsets_mapping": True}
        out = self._tokenizer(text, **settings)
        return [
            (i, a, b) for i, (a, b) in zip(out["input_ids"], out["offset_mapping"], strict=True)
        ]

    def spell(self, ids: Sequence[int]) -> str:
        """What one would type to have these tokens."""
        return str(self._tokenizer.decode(ids, clean_up_tokenization_spaces=False)).strip()

    def _adds_bos(self, text: str) -> bool:
        bos = self._tokenizer.bos_token
        return not (bos and text.startswith(bos))

    def _end(self) -> int:
        closing = self._tokenizer(self._closing, add_special_tokens=False)["input_ids"]
        return next((i for i in closing if i in self._eos), int(self._tokenizer.eos_token_id))

    def _around_reply(self) -> tuple[str, str]:
        """What the template puts before and after an assistant's words."""
        turns: Turns = (("user", ("hi",)),)
        try:
            full = self.render((*turns, ("assistant", (_PROBE,))), reply=False)
        except ModelError:
            return "", ""
        prompt = self.render(turns)
        lead, found, closing = full.removeprefix(prompt).partition(_PROBE)
        known = found and full.startswith(prompt) and not lead.strip()
        return (lead, closing) if known else ("", "")

    def _content(self, role: str, parts: Sequence[str | Size]) -> object:
        style = self._system if role == "system" else self._user
        if style == "string":
            words = [self.plain(p) if isinstance(p, str) else self._image_token for p in parts]
            return "\n".join(words)
        return [
            {"type": "text", "text": self.plain(p)} if isinstance(p, str) else {"type": "image"}
            for p in parts
        ]

    def _style_of(self, role: str) -> Style:
        """How the template takes this role's words: as parts, as a string, or not at all."""
        chat: list[dict[str, Any]] = [{"role": "user", "content": self._content("user", ["hi"])}]
        styles: dict[Style, object] = {
            "parts": [{"type": "text", "text": _PROBE}],
            "string": _PROBE,
        }
        for style, content in styles.items():
            turn = {"role": role, "content": content}
            try:
                text = self._processor.apply_chat_template(
                    [turn] if role == "user" else [turn, *chat],
                    add_generation_prompt=True,
                    tokenize=False,
                )
            except Exception:  # a template may raise anything: then this is not its style
                continue
            if _PROBE in text and "'type'" not in text:
                return style
        if role == "user":
            raise ModelError("the checkpoint's chat template shows no user text; is it for chat?")
        return "merge"


def _merge_system(turns: Turns) -> Turns:
    """The system's words before those of the first user turn."""
    if not turns or turns[0][0] != "system":
        return turns
    system = " ".join(part for part in turns[0][1] if isinstance(part, str))
    rest = list(turns[1:])
    for i, (role, parts) in enumerate(rest):
        if role == "user":
            rest[i] = (role, _before(system, parts))
            break
    return tuple(rest)


def _before(system: str, parts: tuple[str | Size, ...]) -> tuple[str | Size, ...]:
    for i, part in enumerate(parts):
        if isinstance(part, str):
            return (*parts[:i], f"{system}\n\n{part}", *parts[i + 1 :])
    return (*parts, system)


def _special_pattern(processor: Any) -> re.Pattern[str]:
    added = processor.tokenizer.added_tokens_decoder.values()
    names = {str(token.content) for token in added if token.special}
    holders = ("image_token", "video_token", "audio_token", "boi_token", "eoi_token")
    names |= {str(getattr(processor, name)) for name in holders if getattr(processor, name, None)}
    names = {name for name in names if len(name) > 1 and not re.fullmatch(r"[\w\s]+", name)}
    ordered = sorted(names, key=len, reverse=True)
    return re.compile("|".join(map(re.escape, ordered)) or r"(?!)")
