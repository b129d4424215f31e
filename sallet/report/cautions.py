"""What a reader must know before trusting a figure: flags of the attacks, and what is missing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sallet.report import words
from sallet.report.figures import Group
from sallet.runs.record import Cell

FEW = 30


@dataclass(frozen=True)
class Caution:
    """One kind of doubt, what it means, and where it arises."""

    slug: str
    name: str
    meaning: str
    places: tuple[str, ...]


def cautions(
    cells: Sequence[Cell], groups: Sequence[Group], explained: Mapping[str, str]
) -> tuple[Caution, ...]:
    """Flags as the run wrote them, then what this page itself finds missing."""
    places: dict[str, list[str]] = {}
    for cell in cells:
        for flag in cell.flags:
            name, _, more = flag.partition(":")
            extra = f" ({more.strip()})" if more.strip() else ""
            places.setdefault(name.strip(), []).append(_place(cell) + extra)
    found = [
        Caution(slug(name), name, explained.get(name, "a flag of this run"), _once(where))
        for name, where in places.items()
    ]
    found += _missing(groups)
    lost = [f"{_place(c)}: {c.unassessed} of {c.n}" for c in cells if c.unassessed]
    if lost:
        meaning = (
            "these rows have no verdict (an error, a time-out, an answer that no judge could "
            "read); they are in n, and in no rate, neither as resisted nor as success"
        )
        found.append(Caution("unassessed", "unassessed rows", meaning, tuple(lost)))
    few = [f"{_place(cell)}: {cell.n}" for cell in cells if cell.n < FEW]
    if few:
        meaning = f"fewer than {FEW} samples: look at the interval, not at the rate"
        found.append(Caution("few", "small samples", meaning, _once(few)))
    return tuple(found)


def slug(flag: str) -> str:
    """A name that an anchor may carry."""
    plain = "".join(c if c.isascii() and c.isalnum() else "-" for c in flag.partition(":")[0])
    return plain.strip("-") or "flag"


def _missing(groups: Sequence[Group]) -> list[Caution]:
    adaptive = [
        f"{_where(group)}, {line.defense}"
        for group in groups
        for line in group.defended
        if line.adaptive is None
    ]
    control = [
        _where(group)
        for group in groups
        if group.threat.attacked
        and group.threat.eps is not None
        and all(line.control is None for line in group.lines)
    ]
    found: list[Caution] = []
    if adaptive:
        meaning = (
            "nobody attacked these defences knowing them; their figure says what a surprise is "
            "worth, and no more"
        )
        found.append(Caution("no-adaptive", "adaptive not measured", meaning, tuple(adaptive)))
    if control:
        meaning = "no random noise of the same size was run, so some of the effect may be noise's"
        found.append(Caution("no-control", "no control", meaning, tuple(control)))
    return found


def _where(group: Group) -> str:
    return f"{group.threat.model}, {words.title(group.threat)}"


def _place(cell: Cell) -> str:
    key = cell.key
    size = words.budget(key.norm, key.eps)
    parts = (key.model, key.benchmark, key.goal, words.method(cell), size, key.access, key.defense)
    return ", ".join(part for part in parts if part)


def _once(places: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(places))
