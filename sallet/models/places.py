"""Where somebody's words stand among the tokens of a prompt, and other tokens in their place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch

from sallet.models.prompt import Prompter, Turns

_PROBE = "zebraquagga"


@dataclass(frozen=True)
class Place:
    """Words in a part of a turn, and their tokens: in the prompt's `text`, and in the prompt.

    The two differ by the placeholders of images, which a processor multiplies.
    """

    turn: int
    part: int
    at: int
    tokens: tuple[int, ...]
    text: tuple[int, ...]
    in_text: int
    in_prompt: int


def find(prompter: Prompter, turns: Turns, words: str) -> Place | None:
    """Where `words` stand last; None if they do not, or if the template changes them.

    A token that holds a blank before them, or is glued to what is around them, is one of theirs.
    """
    where = _last(turns, words)
    if where is None or not words:
        return None
    probed = prompter.render(_replaced(turns, *where, words, _PROBE))
    text, plain = prompter.render(turns), prompter.plain(words)
    end = len(text) - (len(probed) - probed.rfind(_PROBE) - len(_PROBE))
    if probed.count(_PROBE) != 1 or text[end - len(plain) : end] != plain:
        return None
    spans = prompter.spans(text)
    own = [k for k, (_, a, b) in enumerate(spans) if b > end - len(plain) and a < end and b > a]
    raw = [token for token, _, _ in spans]
    if not own:
        return None
    tokens = raw[own[0] : own[-1] + 1]
    # Placeholders are none of the words' tokens: so the k-th time here is the k-th time there.
    number = _starts(raw, tokens).index(own[0])
    there = _starts(prompter.prompt(turns).ids.tolist(), tokens)
    if number >= len(there):
        return None
    return Place(*where, tuple(tokens), tuple(raw), own[0], there[number])


def respell(
    prompter: Prompter, turns: Turns, words: str, place: Place, tokens: Sequence[int]
) -> str | None:
    """The text that is read as exactly these tokens in the place of `words`, or None.

    Its prompt is remembered: it is the old one with these tokens in it.
    """
    if len(tokens) != len(place.tokens):
        return None
    text = prompter.spell(tokens)
    if not text:
        return None
    changed = _replaced(turns, place.turn, place.part, place.at, words, text)
    expected = list(place.text)
    expected[place.in_text : place.in_text + len(tokens)] = tokens
    if [token for token, _, _ in prompter.spans(prompter.render(changed))] != expected:
        return None
    encoded = prompter.prompt(turns)
    ids = encoded.ids.clone()
    ids[place.in_prompt : place.in_prompt + len(tokens)] = torch.tensor(list(tokens))
    prompter.remember(changed, replace(encoded, ids=ids))
    return text


def _last(turns: Turns, words: str) -> tuple[int, int, int] | None:
    for t in range(len(turns) - 1, -1, -1):
        parts = turns[t][1]
        for p in range(len(parts) - 1, -1, -1):
            part = parts[p]
            if isinstance(part, str) and words in part:
                return t, p, part.rfind(words)
    return None


def _replaced(turns: Turns, turn: int, part: int, at: int, old: str, new: str) -> Turns:
    role, parts = turns[turn]
    text = str(parts[part])
    text = text[:at] + new + text[at + len(old) :]
    parts = (*parts[:part], text, *parts[part + 1 :])
    return (*turns[:turn], (role, parts), *turns[turn + 1 :])


def _starts(tokens: Sequence[int], wanted: Sequence[int]) -> list[int]:
    """Everywhere that `wanted` begins in `tokens`."""
    n = len(wanted)
    return [i for i in range(len(tokens) - n + 1) if list(tokens[i : i + n]) == list(wanted)]
