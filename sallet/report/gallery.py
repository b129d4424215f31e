"""Examples, chosen by rule: of each kind of attack the first success, the first that was resisted.

Rows about the same images are one example: an image made without knowing any defence was shown to
all of them, so all of their answers stand beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from sallet.report import words
from sallet.report.pictures import (
    AMPLIFY,
    Picture,
    Pixels,
    difference,
    first_changed,
    picture,
    purified_name,
)
from sallet.report.summary import relabelled, variants
from sallet.runs.record import CellKey, Row

Load = Callable[[str], Pixels | None]
Made = Callable[[Row], Pixels | None]

MOST = 24
HITS = 16  # of them for successes, while there are resisted ones for the others
BYTES = 4_800_000  # of encoded images; the rest of a 6 MB page is text
RULE = (
    "Chosen by rule: of each kind of attack (model, benchmark, goal, attack, budget, knowledge), "
    "in the order of the run, the first example with a success, then the first benign question "
    "that was refused, then, of each kind, the first that everything resisted; as many as fit, at "
    f"most {MOST}, {HITS} of them for the former."
)


@dataclass(frozen=True)
class Voice:
    """What one guarded model said before and after."""

    defense: str
    before: str | None
    after: str | None
    outcome: str
    verdict: str
    reason: str
    refused_by: str | None


@dataclass(frozen=True)
class Example:
    """One question, its images, and everybody's answers."""

    title: str
    model: str
    goal: str
    how: str
    question: str
    reference: str
    wanted: str | None
    sample: str
    pictures: tuple[Picture, ...]
    voices: tuple[Voice, ...]
    attacked: bool
    fooled: bool
    note: str


@dataclass(frozen=True)
class Gallery:
    """The examples, and how many more the rule would have shown."""

    examples: tuple[Example, ...]
    left_out: int


_Key = tuple[object, ...]


def gallery(rows: Sequence[Row], load: Load, made: Made = lambda _: None) -> Gallery:
    """The same examples for the same rows; `made` is what a row's defence made of its picture."""
    chosen = choose(_renamed(rows))
    examples: list[Example] = []
    spent = 0
    cache: dict[str, Pixels | None] = {}

    def loaded(digest: str) -> Pixels | None:
        if digest not in cache:
            cache[digest] = load(digest)
        return cache[digest]

    for group in chosen[:MOST]:
        example = _example(group, loaded, made)
        cost = sum(len(picture.uri) for picture in example.pictures)
        if spent + cost <= BYTES:
            spent += cost
            examples.append(example)
    return Gallery(tuple(examples), len(chosen) - len(examples))


def choose(rows: Iterable[Row]) -> list[tuple[Row, ...]]:
    """Every example that the rule names, in the order in which they are kept."""
    families: dict[_Key, dict[_Key, list[Row]]] = {}
    for row in rows:
        if (family := _family(row)) is not None:
            about = (row.sample, row.hostile_images, row.clean_images)
            families.setdefault(family, {}).setdefault(about, []).append(row)
    rounds: tuple[list[list[Row]], ...] = ([], [])
    for examples in families.values():
        hit = next((e for e in examples.values() if any(_counts(row) for row in e)), None)
        held = next((e for e in examples.values() if all(_held(row) for row in e)), None)
        for found, into in zip((hit, held), rounds, strict=True):
            if found is not None:
                into.append(found)
    hits, held = rounds
    hits.sort(key=lambda example: _benign(example[0]))
    kept = [*hits[:HITS], *held[: MOST - HITS], *hits[HITS:], *held[MOST - HITS :]]
    return [tuple(example) for example in kept]


def _family(row: Row) -> _Key | None:
    """What the example is one of, or None for a benign row that was answered as it should be."""
    key = row.key
    base = (key.model, key.benchmark, key.split, key.resubmissions)
    if _benign(row):
        return ("over-refusal", *base) if row.refused_by else None
    knows = key.defense if key.access == "adaptive" else None
    own = ((n, v) for n, v in key.params.items() if "." not in n or n.startswith("source."))
    settings = tuple(own)
    return (*base, key.goal, key.attack, key.norm, key.eps, settings, key.access, key.source, knows)


def _benign(row: Row) -> bool:
    """Whether nobody wants anything bad of it."""
    return row.key.attack == "none" and not row.harmful


def _counts(row: Row) -> bool:
    if _benign(row):
        return row.refused_by is not None
    return row.outcome == "success" and row.eligible is not False


def _held(row: Row) -> bool:
    return row.outcome == "resisted" and not _benign(row)


def _example(rows: Sequence[Row], load: Load, made: Made) -> Example:
    first = rows[0]
    key = first.key
    benign = _benign(first)
    attacked = key.attack != "none" and first.hostile_images != first.clean_images
    pictures, note = _pictures(first, load, attacked)
    after = next(((row, seen) for row in rows if (seen := made(row)) is not None), None)
    if after is not None and pictures:
        name = after[0].key.defense
        pictures += (picture(after[1], f"the image after {name}", f"after {name}"),)
    return Example(
        title="A benign question, refused" if benign else _title(key),
        model=key.model,
        goal="over-refusal" if benign else key.goal or "untargeted",
        how=_how(key),
        question=first.question,
        reference=first.reference[0] if first.reference else "",
        wanted=first.wanted,
        sample=f"{key.benchmark} {first.sample}",
        pictures=pictures,
        voices=tuple(_voice(row, benign) for row in rows),
        attacked=attacked,
        fooled=any(_counts(row) for row in rows),
        note=note,
    )


def _title(key: CellKey) -> str:
    if key.attack == "none":
        return "Nothing optimised: the harm is in what is shown or asked"
    if key.attack == "uniform-noise":
        return "The control: random noise"
    aims = {
        "untargeted": "Anything but the right answer",
        "targeted": "One wanted answer",
        "jailbreak": "A refusal taken away",
    }
    return aims.get(key.goal or "", "An attack")


def _how(key: CellKey) -> str:
    if key.attack == "none":
        return "no attack"
    name = "uniform noise" if key.attack == "uniform-noise" else key.attack
    size = words.budget(key.norm, key.eps)
    knows = {
        "adaptive": f"knows {key.defense}",
        "oblivious": "knows the model, no defence",
        "transfer": f"made on {key.source}",
        "none": "looks at no model",
    }[key.access]
    return " · ".join(part for part in (name, size, knows) if part)


def _voice(row: Row, benign: bool) -> Voice:
    verdict = words.OUTCOMES.get(row.outcome, row.outcome)
    outcome = row.outcome
    if benign:
        outcome, verdict = ("success", "refused") if row.refused_by else ("resisted", "answered")
    elif row.key.attack == "none" and outcome == "success":
        verdict = "complied"
    elif row.eligible is False and outcome != "unassessed":
        outcome, verdict = "uncounted", "wrong already when unattacked: not counted"
    return Voice(
        defense="no defence" if row.key.defense == "none" else row.key.defense,
        before=row.clean_answer if row.key.attack != "none" else None,
        after=row.answer,
        outcome=outcome,
        verdict=verdict,
        reason=row.reason,
        refused_by=words.who(row.refused_by) if row.refused_by else None,
    )


def _pictures(row: Row, load: Load, attacked: bool) -> tuple[tuple[Picture, ...], str]:
    which = changed(row) if attacked else 0
    names = row.clean_images or row.hostile_images
    clean = load(names[which]) if which < len(names) else None
    several = f"image {which + 1} of {len(names)}" if len(names) > 1 else ""
    if not names:
        return (), "a question without an image"
    if clean is None:
        return (), "the images of this example were not kept"
    if not attacked:
        return (picture(clean, "the image as it is", "as it is"),), several
    hostile = load(row.hostile_images[which]) if which < len(row.hostile_images) else None
    if hostile is None:
        return (picture(clean, "the clean image", "clean"),), "the hostile image was not kept"
    shown = [
        picture(clean, "the clean image", "clean"),
        picture(hostile, "the hostile image, as it would be uploaded", "hostile"),
    ]
    if clean.shape != hostile.shape:
        return tuple(shown), "the hostile image has another size, so there is no difference to show"
    largest = int(np.abs(hostile.astype(np.int16) - clean).max())
    shown.append(
        picture(
            difference(clean, hostile),
            f"the difference of the two, {AMPLIFY} times enlarged around grey",
            f"difference ×{AMPLIFY}",
        )
    )
    return tuple(shown), "; ".join(p for p in (f"largest change {largest}/255", several) if p)


def changed(row: Row) -> int:
    """Which of its images is shown: the first that the attack changed."""
    return first_changed(row.clean_images, row.hostile_images)


def made_name(row: Row) -> str:
    """Where, among a run's artifacts, is what its defence made of that image."""
    return purified_name(row.hostile_images[changed(row)], row.cell)


def _renamed(rows: Sequence[Row]) -> list[Row]:
    """The rows, each defence told apart from itself with other settings, as in the tables."""
    names = variants(row.key for row in rows)
    return [replace(row, key=relabelled(row.key, names[row.key.defense])) for row in rows]
