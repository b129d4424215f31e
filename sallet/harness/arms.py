"""Which cells are set against each other: of several runs, or within one."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from sallet.core.errors import StoreError, UnknownName, UsageError
from sallet.harness.keys import FREE, name_of, namer, place, values
from sallet.runs.recipe import BLIND
from sallet.runs.record import CellKey, Row

BASELINES: Mapping[str, str] = MappingProxyType(
    {"defense": "none", "attack": "uniform-noise", "access": "oblivious"}
)


@dataclass(frozen=True)
class Arm:
    """A cell and what it is called here: its run's name, or its value of what is compared."""

    name: str
    key: CellKey
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class Match:
    """Two arms of the same place; differences are the second less the first."""

    first: Arm
    second: Arm


@dataclass(frozen=True)
class Matches:
    """Every match, and how many cells have none."""

    pairs: tuple[Match, ...]
    alone: int


def between(runs: Mapping[str, Sequence[Row]], by: str | None = None) -> Matches:
    """Each later run against the first: cells whose keys agree in all but `by`."""
    free = (*(FREE[by] if by else ()), "judge")
    places = {name: _places(name, rows, free, by) for name, rows in runs.items()}
    (first, base), *others = places.items()
    pairs = [
        Match(base[where], arms[where]) for _, arms in others for where in base if where in arms
    ]
    if not pairs:
        raise StoreError(_nothing_shared(first, others[0][0], base, others[0][1], by))
    if by != "judge":
        _same_judge(pairs)
    alone = sum(len(base.keys() ^ arms.keys()) for _, arms in others)
    return Matches(tuple(pairs), alone)


def within(rows: Sequence[Row], by: str, baseline: str | None = None) -> Matches:
    """Each cell against the one of the baseline that differs in `by` alone."""
    cells = _cells(rows)
    keys = [cell[0].key for cell in cells]
    known = list(dict.fromkeys(name_of(key, by) for key in keys if getattr(key, by) is not None))
    if baseline is None:
        default = BASELINES.get(by, known[0] if known else "")
        baseline = default if default in known else (known[0] if known else "")
    elif baseline not in known:
        raise UnknownName(f"{by} for --baseline (this run has others)", baseline, known)
    name = namer(keys, by)
    arms = [Arm(name(cell[0].key), cell[0].key, tuple(cell)) for cell in cells]
    bases = [arm for arm in arms if name_of(arm.key, by) == baseline]
    pairs: list[Match] = []
    alone = 0
    for arm in arms:
        if name_of(arm.key, by) == baseline:
            continue
        fitting = [base for base in bases if _stands_for(base.key, arm.key, by)]
        if len(fitting) > 1:
            raise UsageError(
                f"--baseline {baseline} means {len(fitting)} cells for {arm.name}: "
                f"{', '.join(one.name for one in fitting)}; choose another --by or --baseline"
            )
        pairs += [Match(base, arm) for base in fitting]
        alone += not fitting
    if not pairs:
        raise UsageError(
            f"no cell differs from one of {by}={baseline} in {by} alone; this run has {by}: "
            f"{', '.join(known)}"
        )
    return Matches(tuple(pairs), alone)


def _stands_for(base: CellKey, other: CellKey, by: str) -> bool:
    """Whether the baseline's cell is what the other one would be without what is compared.

    Against no defence the bare model *is* the guarded one, so its one cell stands for the oblivious
    and the adaptive; what looks at no model stands beside every access, and `none` at every size.
    """
    free = FREE[by]
    if by == "defense" and base.defense == "none" and "transfer" not in (base.access, other.access):
        free = (*free, "access")
    if by == "attack" and base.attack == "none":
        free = (*free, "norm", "eps")
    elif by == "attack" and base.attack not in BLIND and base.access != other.access:
        return False
    return place(base, *free) == place(other, *free)


def _places(
    run: str, rows: Sequence[Row], free: tuple[str, ...], by: str | None
) -> dict[Hashable, Arm]:
    places: dict[Hashable, Arm] = {}
    for cell in _cells(rows):
        where = place(cell[0].key, *free)
        if where in places:
            what = by or "judge"
            names = sorted({name_of(one, what) for one in (places[where].key, cell[0].key)})
            raise UsageError(
                f"{run} has several cells that differ in {what} alone ({', '.join(names)}); "
                f"compare them with: sallet compare {run} --by {what}"
            )
        places[where] = Arm(run, cell[0].key, tuple(cell))
    return places


def _cells(rows: Iterable[Row]) -> list[list[Row]]:
    cells: dict[str, list[Row]] = {}
    for row in rows:
        cells.setdefault(row.cell, []).append(row)
    return list(cells.values())


def _same_judge(pairs: Iterable[Match]) -> None:
    for pair in pairs:
        judges = (pair.first.key.judge, pair.second.key.judge)
        if judges[0] != judges[1]:
            raise StoreError(
                f"{pair.first.name} was judged by {judges[0]!r} and {pair.second.name} by "
                f"{judges[1]!r}, so their rates mean different things: judge one of them again "
                "with `sallet score`, or compare the judges themselves with --by judge"
            )


def _nothing_shared(
    first: str,
    second: str,
    base: Mapping[Hashable, Arm],
    other: Mapping[Hashable, Arm],
    by: str | None,
) -> str:
    """Names what no cell of one run has in common with any of the other."""
    told: dict[str, str] = {}
    for name in ("model", "benchmark", "attack", "defense", "goal", "eps", "access", "split"):
        ours, theirs = (
            {str(values(arm.key)[name]) for arm in arms.values()} for arms in (base, other)
        )
        if ours.isdisjoint(theirs):
            told[name] = f"{name}: {', '.join(sorted(ours))} against {', '.join(sorted(theirs))}"
    reason = "; ".join(told.values()) or "parameters, sizes or resubmissions differ"
    only = next(iter(told)) if len(told) == 1 and not by else ""
    hint = f"; to set these against each other, say --by {only}" if only in FREE else ""
    return f"no cell is in both {first} and {second}: {reason}{hint}"
