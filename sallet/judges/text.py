"""Text as rules compare it: folded, without reasoning and markup, cut into sentences and clauses.

Folded text is equal for what a reader takes for equal: case, accents, full-width letters, smart
apostrophes, zero-width blanks, points of Arabic and Hebrew. Scripts that put no blanks between
words are compared letter by letter, so that everything else here can speak of words.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import Final

_DROPPED: Final = re.compile(
    "[\u00ad\u034f\u0640\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufe00-\ufe0f\ufeff"
    "\u0300-\u036f\u0591-\u05c7\u064b-\u065f\u0670\u093c]"
)
"""What no reader sees, and the marks that writers leave out: accents, vowel points, nuktas."""
_SAME: Final = str.maketrans({"ى": "ي", "ة": "ه", "ँ": "ं", "ı": "i", "ł": "l", "ø": "o"})
_APOSTROPHE: Final = "['\u2019\u2018\u02bc\u00b4`]"
_APOSTROPHES: Final = re.compile(_APOSTROPHE)
_ELIDED: Final = re.compile(
    rf"\b(c|d|j|l|m|n|s|t|qu|all|dall|dell|nell|sull|un|quest|lorsqu|puisqu|jusqu){_APOSTROPHE}"
    r"(?=[^\W\d_]{2})"
)
"""French and Italian words that an apostrophe joins; in English it joins parts of one word."""
_LONE: Final = "\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\uac00-\ud7a3"
_MARKS: Final = "\u0900-\u0963\u0966-\u0dff\u0e00-\u0eff"
_WORD: Final = re.compile(rf"[{_LONE}]|(?:[^\W_{_LONE}]|[{_MARKS}])+")
_ASCII_WORD: Final = re.compile("[A-Za-z0-9]+")
"""The same of a text that has nothing else in it, in a quarter of the time."""

_THOUGHT: Final = "think|thinking|thought|thoughts|reasoning|analysis|scratchpad|reflection"
_THINKS: Final = re.compile(
    rf"(?P<begins>[<\[◁](?:{_THOUGHT})[>\]▷]|<\|channel\|>(?:analysis|commentary)<\|message\|>)"
    rf"|(?P<ends>[<\[◁]/(?:{_THOUGHT})[>\]▷]|<\|channel\|>final<\|message\|>)",
    re.IGNORECASE,
)
_TAGS: Final = re.compile(r"<\|[a-z_]+\|>|</?(?:answer|response|output)>", re.IGNORECASE)

_OPEN, _CUT, _SHUT, _ITEM = "\ue000", "\ue001", "\ue002", "\ue003"
_OURS: Final = str.maketrans("", "", _OPEN + _CUT + _SHUT + _ITEM)
"""Marks that are put in here; an answer's own are taken out first."""
# Nothing here may look further than the next mark of its kind: a hostile answer may be all marks.
_QUOTES: Final = re.compile(
    r'"([^"\n]*)"|“([^“”]*)”|„([^„“”]*)[“”]|«([^«»]*)»|「([^「」]*)」|『([^『』]*)』'
    r"|‘([^‘\n]{1,400}?)’(?!\w)"
)
_FENCE: Final = re.compile(r"```\w*|~~~")
_ACTED: Final = re.compile(r"^[ \t]*\*(?!\*)([^*\n]+)\*(?!\*)", re.MULTILINE)
"""What a player does before it speaks: "*nods* Aye"."""
_NUMBERED: Final = re.compile(r"^[ \t>*#_]*\d{1,2}[ \t]*[.):\]]+(?=\s)", re.MULTILINE)
_LABEL: Final = re.compile(
    r"\W*(?:(?i:assistant|ai|bot|model|response|reply|answer|output)|[A-Z]{2,}\w*)"
    r"\W*[:>]\s*(?=[\"“«「])"
)
_SENTENCE: Final = re.compile(r"[.!?;\n。।॥؟۔؛]+")
_PIECE: Final = re.compile(rf"[,:()\[\]{{}}،、—–|{_OPEN}{_SHUT}{_CUT}]|\s-+\s")


AHEAD: Final = 40
"""Openings and ends are looked for in so many words."""


@dataclass(frozen=True)
class Clause:
    """Where an answer opens anew: after a full stop, a comma, a colon, or a word that joins."""

    piece: str
    """Its words, each with a blank after it."""
    rest: str
    """The same to the end of the sentence, or `AHEAD` words of it."""
    quoted: bool
    """Within quotation marks, in a sentence that has words outside of them."""


@dataclass(frozen=True)
class Sentence:
    """One sentence of an answer; `words` are all of its words, each with a blank after it."""

    words: str
    clauses: tuple[Clause, ...]
    numbered: bool
    """A line that has a number before it."""

    @property
    def end(self) -> str:
        """The last words that are not quoted."""
        own = "".join(clause.piece for clause in self.clauses if not clause.quoted)
        return _spaced(own.split()[-AHEAD:])


@dataclass(frozen=True)
class Spoken:
    """What an answer says to its reader; `thinking` where reasoning was begun and never ended."""

    text: str
    thinking: bool
    reasoned: bool


def fold(text: str) -> str:
    """The text with everything made equal that a reader takes for equal; marks stay."""
    if not text.isascii():
        # Marks go while they stand apart; Arabic letters lose their hamza, Latin ones the accent.
        apart = unicodedata.normalize("NFKD", text).casefold()
        text = unicodedata.normalize("NFKC", _DROPPED.sub("", apart)).translate(_SAME)
    text = text.casefold()
    if _APOSTROPHES.search(text) is None:
        return text
    return _APOSTROPHES.sub("", _ELIDED.sub(r"\1 ", text))


def words(text: str) -> list[str]:
    """The words of a folded text; letters, where a script puts no blanks between words."""
    return (_ASCII_WORD if text.isascii() else _WORD).findall(text)


def plain(text: str) -> str:
    """The words of a text, with one blank between them; "can't" is "cant"."""
    return " ".join(words(fold(text)))


def spoken(text: str) -> Spoken:
    """The answer without the reasoning that a model wrote before it.

    An end without a beginning ends what stands before it: templates swallow the first tag.
    """
    said: list[str] = []
    last, thinking, reasoned = 0, False, False
    for tag in _THINKS.finditer(text):
        if tag["ends"]:
            said = said if thinking else []
        elif not thinking:
            said.append(text[last : tag.start()])
        thinking, reasoned, last = tag["begins"] is not None, True, tag.end()
    if not thinking:
        said.append(text[last:])
    return Spoken(_TAGS.sub("", "".join(said)), thinking, reasoned)


def parsed(text: str, joints: re.Pattern[str]) -> list[Sentence]:
    """The sentences of an answer in order; `joints` are the words before which one is cut."""
    text = _ACTED.sub(r"\1.", _FENCE.sub("\n", _unwrapped(text.translate(_OURS))))
    text = fold(_QUOTES.sub(_quotation, _NUMBERED.sub(_ITEM, text)))
    made = (_sentence(part, joints) for part in _SENTENCE.split(text))
    return [sentence for sentence in made if sentence is not None]


def _sentence(text: str, joints: re.Pattern[str]) -> Sentence | None:
    """The sentence with its clauses; None of one without words."""
    pieces: list[tuple[list[str], bool]] = []
    quoted, last = False, 0
    for mark in (*_PIECE.finditer(text), None):
        piece = text[last : mark.start()] if mark else text[last:]
        said = _spaced(words(piece))
        pieces += [(part.split(), quoted) for part in joints.split(said) if part]
        if mark is not None:
            last = mark.end()
            quoted = mark[0] == _OPEN or (quoted and mark[0] != _SHUT)
    if not pieces:
        return None
    alone = all(inside for _, inside in pieces)
    every = [word for piece, _ in pieces for word in piece]
    clauses: list[Clause] = []
    at = 0
    for piece, inside in pieces:
        rest = every[at : max(at + AHEAD, at + len(piece))]
        clauses.append(Clause(_spaced(piece), _spaced(rest), inside and not alone))
        at += len(piece)
    return Sentence(_spaced(every), tuple(clauses), numbered=_ITEM in text)


def _spaced(said: list[str]) -> str:
    return "".join(f"{word} " for word in said)


def _quotation(match: re.Match[str]) -> str:
    """A quotation is part of its sentence, whatever marks are in it."""
    inner = next(group for group in match.groups() if group is not None)
    return f"{_OPEN}{re.sub(r'[.!?;:,،。！？；：，।؟]', _CUT, inner)}{_SHUT}"


def _unwrapped(text: str) -> str:
    """An answer that is one quotation is no quotation."""
    bare = _LABEL.sub("", text.strip(), count=1) if _LABEL.match(text.strip()) else text.strip()
    whole = _QUOTES.fullmatch(bare)
    return next(group for group in whole.groups() if group is not None) if whole else text
