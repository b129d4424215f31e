"""Whether an answer is one of those that are known: whole, in a sentence, or with more of it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from sallet.judges.tables import Section, Table, joints, openings, script_of
from sallet.judges.text import Clause, parsed, plain


@lru_cache(maxsize=8192)
def says(text: str, accepted: tuple[str, ...]) -> bool:
    """Whether the answer is one of these: whole, as its last sentence, or as its first.

    "It is", "the answer is" and the like may stand before it. At the beginning it counts if what
    follows goes on about it ("It's a cat. It sleeps."), and a yes or a no if no other one ends it.
    """
    wanted = _plain(accepted)
    if plain(text) in wanted:
        return True
    said = parsed(text, joints())
    if not said:
        return False
    first, last = said[0].clauses, said[-1].clauses
    if _is(said[-1].words, wanted) or _is_with_more(last, wanted):
        return True
    goes_on = len(said) > 1 and all(_opens(s.words, "goes_on") for s in said[1:])
    if goes_on and (_is(said[0].words, wanted) or _is_with_more(first, wanted)):
        return True
    return _decides(first[0].piece, last[-1].piece, wanted)


@lru_cache(maxsize=4096)
def _plain(accepted: tuple[str, ...]) -> frozenset[str]:
    return frozenset(map(plain, accepted))


def begins(text: str, accepted: tuple[str, ...]) -> bool:
    """Whether the answer, as far as it goes, is the beginning of one of these."""
    said = plain(text)
    return any(f"{answer} ".startswith(said) for answer in _plain(accepted))


def names(text: str, things: tuple[str, ...], language: Table | None = None) -> bool:
    """Whether one of the things is named, as whole words, with the language's endings."""
    said = f" {plain(text)} "
    return any(f" {form} " in said for thing in things for form in _forms(thing, language))


@lru_cache(maxsize=4096)
def _forms(thing: str, language: Table | None) -> tuple[str, ...]:
    """The thing as it may be written in this language."""
    bare = plain(thing)
    if language is None or not bare:
        return (bare,)
    forms = [bare]
    for ending in language.endings:
        old, _, new = ending.rpartition(">")
        if bare.endswith(old):
            forms.append(f"{bare.removesuffix(old)}{new}")
    forms += [f"{article}{form}" for article in language.before for form in forms]
    return tuple(dict.fromkeys(forms))


def _is(said: str, wanted: frozenset[str]) -> bool:
    """Whether words are a wanted answer, with or without what may stand before it."""
    while said and said.strip() not in wanted:
        said = _without(said, "leads")
    return bool(said)


def _is_with_more(clauses: Sequence[Clause], wanted: frozenset[str]) -> bool:
    """Whether the first clause is, and the others say more of it, or how sure that is."""
    more = (_bare(clause.rest) for clause in clauses[1:])
    return _is(clauses[0].piece, wanted) and all(
        _opens(rest, "goes_on") or _opens(rest, "no_refusal") for rest in more
    )


def _decides(first: str, last: str, wanted: frozenset[str]) -> bool:
    """Whether a wanted yes or no opens the answer or ends it, and no other one does."""
    said = (first, _bare(last))
    polar = [piece.strip() for piece in said if _is_polar(piece)]
    return bool(polar) and wanted.issuperset(polar)


def _is_polar(piece: str) -> bool:
    """Whether a clause is a yes or a no and nothing else."""
    script = script_of(piece)
    sides: tuple[Section, ...] = ("yes", "no")
    return any(script and openings(side, script).fullmatch(piece) for side in sides)


def _bare(said: str) -> str:
    """Words without the greetings, joints and the like that they open with."""
    return _without(said, "courtesies") or said


def _without(said: str, section: Section) -> str:
    """What comes after such an opening; nothing where there is none."""
    script = script_of(said)
    match = openings(section, script).match(said) if script else None
    return said[match.end() :] if match else ""


def _opens(said: str, section: Section) -> bool:
    script = script_of(said)
    return script is not None and openings(section, script).match(said) is not None
