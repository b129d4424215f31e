"""Answers a sentence at a time: where text may be cut, and how far a defence lets an answer go."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from typing import Final

from sallet.core.query import Answer, refusal

LEAST: Final = 24  # characters: what is shorter, such as "1." or "e.g.", goes with what follows
MOST: Final = 2_000  # characters; what has no end is cut there
# An end is known when something follows it, so text in pieces is cut where the whole would be.
_END: Final = re.compile(
    r"""(?<![.!?…])[.!?…]++["'”’)\]]*+(?=\s)"""
    r"""|(?<![。！？])[。！？]++["'”’」』)]*+(?=[^。！？"'”’」』)])"""
    r"""|\n"""
)


class Sentences:
    """Text as it comes, to its sentences: however it was cut, they are the same."""

    def __init__(self) -> None:
        self._held = ""

    def feed(self, more: str) -> Iterator[str]:
        """Every sentence that is whole now."""
        self._held += more
        while end := self._end():
            sentence, self._held = self._held[:end], self._held[end:]
            yield sentence

    def rest(self) -> str:
        """What came after the last of them."""
        rest, self._held = self._held, ""
        return rest

    def _end(self) -> int:
        """Where the first sentence ends; 0 where it may go on."""
        ends = (end.end() for end in _END.finditer(self._held, 0, MOST + 1))
        first = next((end for end in ends if LEAST <= end <= MOST), None)
        return first or (MOST if len(self._held) > MOST else 0)


def sentences(text: str) -> list[str]:
    """A whole text's sentences; together they are the text."""
    cut = Sentences()
    pieces = (text[at : at + MOST] for at in range(0, len(text), MOST))
    found = [sentence for piece in pieces for sentence in cut.feed(piece)]
    return [one for one in (*found, cut.rest()) if one]


async def reviewed(by: str, allows: Callable[[Answer], Awaitable[bool]], answer: Answer) -> Answer:
    """The answer as far as it is allowed, asked about each sentence with all before it.

    What was let through before a sentence that was not is kept; a refusal, if nothing was.
    """
    said = ""
    for sentence in sentences(answer.text):
        if not await allows(replace(answer, text=said + sentence)):
            if not said:
                return refusal(by)
            return replace(
                answer, text=said, refused_by=f"defense:{by}", finish="content_filter", raw=None
            )
        said += sentence
    return answer
