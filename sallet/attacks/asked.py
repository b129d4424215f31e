"""The words of the last user turn: read, and written anew."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from sallet.core.errors import RecipeError
from sallet.core.query import Message, Part, Query

_WORD = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")


@dataclass(frozen=True)
class Word:
    """A word of the last user turn: in which of its parts, and from where to where."""

    part: int
    start: int
    end: int
    text: str


def words_of(query: Query) -> list[Word]:
    """Every word, in order; numbers and punctuation are none."""
    return [
        Word(i, match.start(), match.end(), match[0])
        for i, part in enumerate(_last(query).parts)
        if isinstance(part, str)
        for match in _WORD.finditer(part)
    ]


def part_of(query: Query, word: Word) -> str:
    """The whole text that a word stands in."""
    return str(_last(query).parts[word.part])


def with_word(query: Query, word: Word, text: str) -> Query:
    """The query with this word's text replaced, or taken out with the blank before it."""
    whole = part_of(query, word)
    before, after = whole[: word.start], whole[word.end :]
    if not text:
        before = before.rstrip()
    return _with_part(query, word.part, before + text + after if text else (before + after).strip())


def with_words(query: Query, text: str) -> Query:
    """The query with `text` in place of all words of its last user turn; pictures stay."""
    parts = _last(query).parts
    texts = [i for i, part in enumerate(parts) if isinstance(part, str)]
    if not texts:
        raise RecipeError("an attack on words needs words in the last user turn; there are none")
    kept = (
        text if i == texts[0] else part
        for i, part in enumerate(parts)
        if i == texts[0] or i not in texts
    )
    return _with_parts(query, kept)


def _with_part(query: Query, at: int, text: str) -> Query:
    parts = _last(query).parts
    return _with_parts(query, (text if i == at else part for i, part in enumerate(parts)))


def _with_parts(query: Query, parts: Iterator[Part]) -> Query:
    at = _place(query)
    message = replace(query.messages[at], parts=tuple(parts))
    return replace(query, messages=(*query.messages[:at], message, *query.messages[at + 1 :]))


def _last(query: Query) -> Message:
    return query.messages[_place(query)]


def _place(query: Query) -> int:
    turns = [i for i, message in enumerate(query.messages) if message.role == "user"]
    if not turns:
        raise RecipeError("an attack on words needs a user turn; this query has none")
    return turns[-1]
