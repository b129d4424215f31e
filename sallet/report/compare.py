"""What comparisons, the minimum over attacks and refusals say, as tables."""

from __future__ import annotations

from collections.abc import Sequence

from sallet.core.statistics import Rate
from sallet.harness.compare import Compared, Comparison
from sallet.harness.keys import FREE
from sallet.harness.minimum import Minimum
from sallet.harness.provenance import Provenance
from sallet.report import words
from sallet.report.tables import Page, Table
from sallet.runs.record import CellKey

MEASURES = {"asr": "ASR", "over_refusal": "over-refusal", "utility": "utility"}
DIFFERENCES = (
    "difference: in points, [95 %], over the pairs (n) alone. p: exact, as it is / corrected for "
    "all {count} comparisons here (Holm); the verdict goes by the latter, and is of the second arm"
)
LOWEST = (
    "any attack: broken by at least one of them, over the samples that all of them assessed (n); "
    "each attack over the same. flip: wrong without any attack. noise: random, of the same size"
)
WHO = "of all rows (n): the model's own refusals, a defence's canned words and the fallback, apart"


def differences(compared: Compared, by: str | None, *, runs: bool) -> Page:
    """One table for each measure of each pair of runs; within a run, for each threat."""
    found: dict[str, list[Comparison]] = {}
    for one in compared.comparisons:
        what = f"{one.first} to {one.second}" if runs else _place(one.key, by, "defense")
        title = f"{MEASURES[one.measure]}, {what}"
        found.setdefault(title if runs else f"{title}, against {one.first}", []).append(one)
    columns = ("", "first", "second", "difference", "p", "n", "verdict")
    tables = [
        Table(title, columns, tuple(_compared(one, by, runs) for one in ones))
        for title, ones in found.items()
    ]
    notes = [DIFFERENCES.format(count=sum(one.found is not None for one in compared.comparisons))]
    if compared.alone:
        notes.append(f"{compared.alone} cells have none to stand against")
    return Page(tuple(tables), tuple(notes))


def minimum(found: Sequence[Minimum]) -> Page:
    """Every attack beside what all of them broke together."""
    tables: dict[str, list[tuple[str, ...]]] = {}
    for one in found:
        lines = tables.setdefault(_place(one.key, "attack", "defense"), [])
        n = f"{one.n}" + (f" (−{one.left_out})" if one.left_out else "")
        shown = (_rate(one.broken), n, _rate(one.flip_rate), _rate(one.control))
        lines.append((one.key.defense, "any attack", *shown))
        lines += [
            ("", _attack(tried.key), _rate(tried.common), "", "", "") for tried in one.attacks
        ]
    columns = ("defence", "attack", "broken", "n", "flip", "noise")
    return Page(
        tuple(Table(title, columns, tuple(lines), 2) for title, lines in tables.items()),
        (LOWEST if tables else "no attack was tried",),
    )


def refusals(found: Sequence[Provenance]) -> Page:
    """Who refused, for the cells in which anyone did."""
    whos = sorted({who for one in found for who in one.refused}, key=_rank)
    lines = [
        (
            f"{_place(one.key, 'attack', 'defense')}, {_attack(one.key)}",
            one.key.defense,
            *(str(one.refused.get(who, "–")) for who in whos),
            str(one.answered),
            str(one.unassessed or "–"),
            str(one.n),
        )
        for one in found
        if one.refused
    ]
    columns = ("cell", "defence", *map(words.who, whos), "answered", "unassessed", "n")
    if not lines:
        return Page((), ("nobody refused anything",))
    return Page((Table("who refused", columns, tuple(lines), 2),), (WHO,))


def _compared(one: Comparison, by: str | None, runs: bool) -> tuple[str, ...]:
    label = _place(one.key, by, attack=True) if runs else one.second
    if by != "defense" and not runs:
        label = f"{one.key.defense}: {label}"
    found = one.found
    if found is None or one.corrected is None:
        return (label, "–", "–", "–", "–", _left(one, 0), one.verdict)
    return (
        label,
        words.percent(found.first),
        words.percent(found.second),
        _points(found.difference),
        f"{_p(found.p)} / {_p(one.corrected)}",
        _left(one, found.n),
        one.verdict,
    )


def _left(one: Comparison, n: int) -> str:
    """The pairs, and how many samples are in none."""
    out = sum(one.left_out.values())
    return f"{n} (−{out})" if out else str(n)


def _points(value: Rate) -> str:
    """`+12 [+3, +20]`, in points."""
    middle, low, high = (
        f"{100 * part:+.0f}".replace("+0", "0").replace("-0", "0") for part in value
    )
    return f"{middle} [{low}, {high}]"


def _p(value: float) -> str:
    return "<.001" if value < 0.001 else f"{value:.3f}".lstrip("0") if value < 1 else "1"


def _rate(value: Rate | None) -> str:
    return "–" if value is None else words.full(value)


def _place(key: CellKey, *without: str | None, attack: bool = False) -> str:
    """The key in words, but for what is compared."""
    free = {name for one in without if one for name in FREE[one]}
    how = _attack(key, access="access" not in free) if attack or "attack" not in free else ""
    shown = (
        ("model", key.model),
        ("benchmark", key.benchmark),
        ("split", key.split and f"{key.split} split"),
        ("goal", key.goal),
        ("attack", how),
        ("eps", words.budget(key.norm, key.eps)),
        ("defense", key.defense),
    )
    return ", ".join(text for name, text in shown if text and name not in free)


def _attack(key: CellKey, *, access: bool = True) -> str:
    """`pgd ×10 adaptive`; harm that nobody optimised is `as is`."""
    if key.attack == "none":
        return "as is" if key.goal else "unattacked"
    name = key.attack.replace("-", " ")
    tries = f" ×{key.resubmissions}" if key.resubmissions > 1 else ""
    how = f" {key.access}" if access and key.access != "none" else ""
    return f"{name}{tries}{how}" + (f" from {key.source}" if access and key.source else "")


def _rank(who: str) -> tuple[int, str]:
    """The model first, defences, the fallback last."""
    return (0 if who == "model" else 2 if who == "fallback" else 1), who
