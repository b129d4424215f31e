"""The tables of openings, one file a language in `languages/`, as patterns that match clauses.

A line of a table is words as people write them. `(a|b)` is either, `[a]` may be missing, `word*`
has any ending, `..` is up to three words, `...` up to twelve, and `<name>` an alternative that the
table spells out once, under `words`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from importlib.resources import files
from typing import Final, Literal, TypeAlias, get_args

import yaml

from sallet.judges.text import fold, words

Section: TypeAlias = Literal[
    "courtesies", "joints", "apologises", "refuses", "refuses_at_end", "hesitates", "no_refusal",
    "no_refusal_at_end", "denies", "agrees", "explains", "steps", "orders",
    "no_explanation", "redirects", "leads", "goes_on", "yes", "no",
]  # fmt: skip
SECTIONS: Final[tuple[Section, ...]] = get_args(Section)
KNOWN_BY: Final = ("courtesies", "refuses", "agrees", "explains", "steps", "orders")
"""The sections whose words a language is known by, beside its small ones."""
AT_END: Final = ("refuses_at_end", "no_refusal_at_end")
SCRIPTS: Final[dict[str, str]] = {
    "Latin": "a-z\u00df-\u024f", "Cyrillic": "\u0400-\u052f", "Arabic": "\u0600-\u06ff",
    "Devanagari": "\u0900-\u097f", "Han": "\u3400-\u9fff\uf900-\ufaff", "Kana": "\u3040-\u30ff",
    "Hangul": "\uac00-\ud7a3",
}  # fmt: skip
STRANGE: Final = frozenset("åæøðþğışőűřůěčđơưățșіїєґўјљњћپچژگکیٹڈڑےळ")
"""Letters of the same scripts that no table's language is written with."""
TOGETHER: Final = {"Kana": "Han"}
"""Scripts of one text: Japanese is written in both."""
_SIGNS: Final = {
    "...": r"(?:\S+ ){0,12}?", "..": r"(?:\S+ ){0,3}?",
    "(": "(?:", ")": ")", "|": "|", "[": "(?:", "]": ")?",
}  # fmt: skip
_SYNTAX: Final = re.compile(r"\.{2,3}|[()|\[\]]|<\w+>|[^()|\[\]<.]+|\.")


@dataclass(frozen=True, eq=False)
class Table:
    """One language: the words that it is known by, what a noun may end in, and its patterns."""

    code: str
    language: str
    script: str
    common: frozenset[str]
    before: tuple[str, ...]
    """Articles and the like that are written together with a noun."""
    endings: tuple[str, ...]
    """`s` may be added to a noun, `y>ies` put in place of its last letters."""
    patterns: Mapping[Section, tuple[str, ...]]

    @property
    def written(self) -> str:
        """The script, or the one that it is mixed with."""
        return TOGETHER.get(self.script, self.script)

    @cached_property
    def _articles(self) -> tuple[str, ...]:
        """Those of `before` that no other word begins with by chance."""
        return tuple(word for word in self.before if len(word) > 1)

    def knows(self, word: str) -> bool:
        """Whether this folded word is of the language, as far as the table can tell."""
        return word in self.common or word.startswith(self._articles)


@cache
def tables() -> tuple[Table, ...]:
    """Every language, in the order of its code."""
    folder = files("sallet.judges") / "languages"
    found = sorted((path for path in folder.iterdir() if path.name.endswith(".yaml")), key=str)
    return tuple(_table(path.name[:-5], path.read_text(encoding="utf-8")) for path in found)


@cache
def openings(section: Section, script: str) -> re.Pattern[str]:
    """What matches where a clause (or, of `AT_END`, a sentence) of this script says so."""
    written = (table for table in tables() if table.written == script)
    either = "|".join(p for table in written for p in table.patterns[section]) or r"(?!)"
    return re.compile(rf"(?:^|(?<= ))(?:{either})$" if section in AT_END else rf"(?:{either})")


@cache
def joints() -> re.Pattern[str]:
    """Between two words, where the second one opens a clause."""
    either = "|".join(p for t in tables() for p in t.patterns["joints"])
    return re.compile(rf"(?<= )(?=(?:{either}))")


def script_of(text: str) -> str | None:
    """The script of the first letter of a text that any table is written in; kana count as Han."""
    found = _LETTER.search(text)
    return None if found is None else TOGETHER.get(str(found.lastgroup), found.lastgroup)


_LETTER: Final = re.compile("|".join(f"(?P<{name}>[{span}])" for name, span in SCRIPTS.items()))


def _table(code: str, text: str) -> Table:
    # The base loader leaves every word a string, "no" and "yes" among them.
    data = yaml.load(text, Loader=getattr(yaml, "CBaseLoader", yaml.BaseLoader))
    spelled = {name: pattern(line, {}) for name, line in data.get("words", {}).items()}
    unknown = set(data) - {"language", "script", "common", "before", "endings", "words", *SECTIONS}
    if unknown or data["script"] not in SCRIPTS:
        raise ValueError(
            f"languages/{code}.yaml has the section {min(unknown, default=data['script'])!r}; "
            f"it may have {', '.join(SECTIONS)}, and a script of {', '.join(SCRIPTS)}"
        )
    lines = (line for name in KNOWN_BY for line in data.get(name, ()))
    return Table(
        code=code,
        language=data["language"],
        script=data["script"],
        common=frozenset(words(fold(" ".join((data["common"], *lines))))),
        before=tuple(fold(word) for word in data.get("before", "").split()),
        endings=tuple(fold(word) for word in data.get("endings", "").split()),
        patterns={
            name: tuple(pattern(line, spelled) for line in data.get(name, ())) for name in SECTIONS
        },
    )


def pattern(line: str, spelled: Mapping[str, str]) -> str:
    """One line of a table as a regular expression over words that each end in a blank."""
    made: list[str] = []
    for part in _SYNTAX.findall(line):
        if part in _SIGNS:
            made.append(_SIGNS[part])
        elif part.startswith("<"):
            made.append(spelled[part[1:-1]])
        else:
            made.append(_literal(part.split()))
    return "".join(made)


def _literal(said: Sequence[str]) -> str:
    """Words as they are; a star at a word's end stands for any ending."""
    made: list[str] = []
    for word in said:
        parts = words(fold(word))
        ends = r"\S* " if word.endswith("*") else " "
        made += [f"{re.escape(part)} " for part in parts[:-1]]
        made += [f"{re.escape(part)}{ends}" for part in parts[-1:]]
    return "".join(made)
