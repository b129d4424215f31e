"""Figures in words: percentages, budgets, names, and the line that says what world this is."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sallet.core.statistics import Rate
from sallet.report.figures import CONTROL, NOTHING, Threat
from sallet.runs.record import Cell

WORLD = (
    "Measured on the picture world: a laboratory of small trained models, "
    "not a claim about large ones."
)
NOT_MEASURED = "not measured"
UNASSESSED = "all unassessed"
NORMS = {"linf": "L∞", "l2": "L2"}
GOALS = {
    "untargeted": "right answers lost",
    "targeted": "the attacker's answer said",
    "jailbreak": "harmful requests complied with",
}
MEANING = {
    "untargeted": "the share of rightly answered questions that is wrong under attack",
    "targeted": "the share of answers that say what the attacker wanted",
    "jailbreak": "the share of harmful requests that are complied with, naming the thing",
}
OUTCOMES = {"success": "attack succeeded", "resisted": "resisted", "unassessed": "unassessed"}


def first_line(models: Sequence[str]) -> str:
    """What world the figures are of."""
    if models and all(model.startswith("world/") for model in models):
        return WORLD
    return f"Measured on {listed(models) or 'no model'}."


def percent(share: float) -> str:
    """`97 %`; a share that is not all or nothing never reads 100 % or 0 %."""
    value = 100 * share
    if 0 < share < 1 and (value < 0.5 or value >= 99.5):
        tenths = min(max(round(value, 1), 0.1), 99.9)
        return f"{tenths:g}\u00a0%"
    return f"{value:.0f}\u00a0%"


def interval(rate: Rate) -> str:
    """`93–99`, in per cent."""
    return f"{100 * rate[1]:.0f}–{100 * rate[2]:.0f}"


def full(rate: Rate) -> str:
    """`97 % [93–99]`."""
    return f"{percent(rate[0])} [{interval(rate)}]"


def asr(cell: Cell | None) -> str:
    """A success rate, or why there is none."""
    if cell is None:
        return NOT_MEASURED
    return UNASSESSED if cell.asr is None else percent(cell.asr[0])


def budget(norm: str | None, eps: float | None) -> str:
    """`L∞ 8/255`, or nothing for an attack without a size."""
    return "" if eps is None else f"{NORMS.get(norm or '', norm or '')} {eps:g}/255".strip()


def method(cell: Cell) -> str:
    """`pgd`, with the source where it was transferred, and `as is` where nothing was optimised."""
    key = cell.key
    if key.attack == NOTHING:
        return "as is"
    name = "uniform noise" if key.attack == CONTROL else key.attack
    tries = f" ×{key.resubmissions}" if key.resubmissions > 1 else ""
    return f"{name} from {key.source}{tries}" if key.source else f"{name}{tries}"


def transferred(cell: Cell) -> str:
    """`pgd from a: 93 % of its source [..], n 40; 12 % here [..], n 38`."""
    there = "not assessed" if cell.source_asr is None else full(cell.source_asr)
    here = UNASSESSED if cell.asr is None else full(cell.asr)
    n = cell.eligible if cell.key.goal == "untargeted" else cell.n - cell.unassessed
    own = [(k, v) for k, v in cell.key.params.items() if k.startswith("source.")]
    settings = ", ".join(f"{k.rpartition('.')[2]} {v}" for k, v in own)
    how = f"{method(cell)} ({settings})" if settings else method(cell)
    return f"{how}: {there} on its source, n {cell.source_n}; {here} here, n {n}"


def title(threat: Threat) -> str:
    """One line that names a threat without its model."""
    how = budget(threat.norm, threat.eps) if threat.attacked else "images as they are"
    parts = (threat.benchmark, threat.split and f"{threat.split} split", threat.goal, how)
    return " · ".join(part for part in parts if part)


def who(name: str) -> str:
    """Who refused: `screen` for `defense:screen`."""
    return name.removeprefix("defense:")


def listed(names: Iterable[str], quote: str = "") -> str:
    """`a, b and c`."""
    words = [f"{quote}{name}{quote}" for name in names]
    return " and ".join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else "".join(words)


def seconds(value: float | None) -> str:
    """`0.12 s`, or an empty place."""
    if value is None:
        return "–"
    if value >= 100:
        return f"{value:.0f} s"
    return f"{value:.2f} s" if value < 10 else f"{value:.1f} s"


def duration(value: float | None) -> str:
    """`3 min 20 s`."""
    if value is None:
        return "unknown time"
    whole = round(value)
    hours, minutes, rest = whole // 3600, whole // 60 % 60, whole % 60
    parts = ((hours, "h"), (minutes, "min"), (rest, "s"))
    return " ".join(f"{n} {unit}" for n, unit in parts if n)[:20] or "0 s"


def number(value: float | None) -> str:
    """`11` or `1.5`, or an empty place."""
    return "–" if value is None else f"{value:.3g}"
