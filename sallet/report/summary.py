"""`summary.json` as typed values; a cell that cannot be read is named by its number."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sallet.core.errors import StoreError
from sallet.core.statistics import Rate
from sallet.runs.record import Cell, CellKey, Scalar


@dataclass(frozen=True)
class Summary:
    """`summary.json` as typed values."""

    recipe: str
    digest: str
    commit: str
    machine: str
    seconds: float | None
    cells: tuple[Cell, ...]
    origin: tuple[tuple[str, str], ...] = ()  # what else the run says of itself

    @property
    def models(self) -> tuple[str, ...]:
        """Each model once, in the order of the cells."""
        return tuple(dict.fromkeys(cell.key.model for cell in self.cells))


def read(summary: Mapping[str, Any]) -> Summary:
    """The typed summary, or an error that names the cell that is not one."""
    try:
        recipe = summary.get("recipe", "")
        name = recipe.get("name", "unnamed") if isinstance(recipe, Mapping) else recipe
        cells = tuple(_cell(cell, number) for number, cell in enumerate(summary["cells"]))
    except (KeyError, AttributeError, TypeError) as error:
        raise StoreError(f"this is no summary: {error}; expected recipe, digest, cells") from None
    names = variants(cell.key for cell in cells)
    return Summary(
        recipe=str(name),
        digest=str(summary.get("digest", "")),
        commit=str(summary.get("commit", "")),
        machine=str(summary.get("machine", "")),
        seconds=summary.get("seconds"),
        origin=_origin(summary),
        cells=tuple(replace(c, key=relabelled(c.key, names[c.key.defense])) for c in cells),
    )


def _origin(summary: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    recipe = summary.get("resolved_recipe") or {}
    said = [("seed", recipe.get("seed")), ("sallet", summary.get("sallet"))]
    for kind in ("libraries", "model_revisions"):
        prefix = "revision of " if kind == "model_revisions" else ""
        said += [(f"{prefix}{name}", value) for name, value in (summary.get(kind) or {}).items()]
    return tuple((str(name), str(value)) for name, value in said if value not in (None, ""))


def variants(keys: Iterable[CellKey]) -> dict[str, tuple[str, ...]]:
    """For each defence that appears with several settings, those that differ."""
    found: dict[str, list[dict[str, Scalar]]] = {}
    for key in keys:
        known = found.setdefault(key.defense, [])
        settings = {n: value for n, value in key.params.items() if n.startswith("defense.")}
        if settings not in known:
            known.append(settings)
    return {name: _differing(known) for name, known in found.items()}


def _differing(known: Sequence[Mapping[str, Scalar]]) -> tuple[str, ...]:
    names = dict.fromkeys(name for settings in known for name in settings)
    return tuple(n for n in names if len({repr(settings.get(n)) for settings in known}) > 1)


def relabelled(key: CellKey, names: Sequence[str]) -> CellKey:
    """The key, with these settings in its defence's name."""
    if not names:
        return key
    shown = ", ".join(f"{n.removeprefix('defense.')} {key.params.get(n)}" for n in names)
    return replace(key, defense=f"{key.defense} ({shown})")


def _cell(data: Mapping[str, Any], number: int) -> Cell:
    try:
        key = CellKey(
            model=str(data["model"]),
            attack=str(data.get("attack") or "none"),
            access=data.get("access") or "none",
            defense=str(data.get("defense") or "none"),
            benchmark=str(data["benchmark"]),
            goal=data.get("goal"),
            norm=data.get("norm"),
            eps=data.get("eps"),
            params=dict(data.get("params") or {}),
            source=data.get("source"),
            resubmissions=data.get("resubmissions") or 1,
            split=data.get("split"),
            judge=str(data.get("judge") or ""),
        )
        return Cell(
            key=key,
            n=int(data["n"]),
            unassessed=int(data.get("unassessed") or 0),
            asr=_rate(data.get("asr")),
            harmless=_rate(data.get("harmless")),
            over_refusal=_rate(data.get("over_refusal")),
            utility=_rate(data.get("utility")),
            refused_by=dict(data.get("refused_by") or {}),
            calls_per_answer=float(data.get("calls_per_answer") or 0.0),
            seconds_per_answer=float(data.get("seconds_per_answer") or 0.0),
            flip_rate=_rate(data.get("flip_rate")),
            eligible=int(data.get("eligible") or 0),
            flags=tuple(data.get("flags") or ()),
            interval=str(data.get("interval") or ""),
            clusters=int(data.get("clusters") or 0),
            reasons=dict(data.get("reasons") or {}),
            attack_seconds=float(data.get("attack_seconds") or 0.0),
            attack_looks=float(data.get("attack_looks") or 0.0),
            attack_asks=float(data.get("attack_asks") or 0.0),
            resubmission_curve=tuple(
                rate for one in data.get("resubmission_curve") or () if (rate := _rate(one))
            ),
            broken_by=dict(data.get("broken_by") or {}),
            source_asr=_rate(data.get("source_asr")),
            source_n=int(data.get("source_n") or 0),
            official=_rates(data.get("official")),
            second_judge=str(data.get("second_judge") or ""),
            disagreement=_rate(data.get("disagreement")),
            second_unassessed=int(data.get("second_unassessed") or 0),
            categories=_rates(data.get("categories")),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise StoreError(f"cell {number} of the summary cannot be read: {error}") from None


def _rates(value: Any) -> dict[str, Rate]:
    found = {str(name): _rate(one) for name, one in (value or {}).items()}
    return {name: rate for name, rate in found.items() if rate is not None}


def _rate(value: Any) -> Rate | None:
    if value is None:
        return None
    rate, low, high = value
    return float(rate), float(low), float(high)
