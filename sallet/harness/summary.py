"""`summary.json`: DESIGN's contract, read by scripts outside. Keys are added, never renamed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from sallet.core.goal import Outcome
from sallet.harness.doubts import with_doubts
from sallet.harness.metrics import cells
from sallet.harness.minimum import Minimum, minima
from sallet.runs.manifest import Manifest
from sallet.runs.record import Cell, Row


def summarize(manifest: Manifest, rows: Sequence[Row]) -> dict[str, Any]:
    """The summary of a run: made of its rows and its manifest alone."""
    return {
        "recipe": manifest.recipe["name"],
        "digest": manifest.digest,
        "commit": manifest.commit,
        "machine": manifest.machine,
        "seconds": round(manifest.seconds, 3),
        "cells": [flat(cell) for cell in with_doubts(cells(rows))],
        "sallet": manifest.sallet,
        "libraries": manifest.libraries,
        "resolved_recipe": manifest.recipe,
        "model_revisions": {row.key.model: row.model_revision for row in rows},
        "minimum": [flat_minimum(one) for one in minima(rows)],
    }


def flat(cell: Cell) -> dict[str, Any]:
    """One cell as the contract has it: the key's names beside the rates'."""
    values = asdict(cell)
    return {name: _plain(value) for name, value in {**values.pop("key"), **values}.items()}


def flat_minimum(one: Minimum) -> dict[str, Any]:
    """What is left under all attacks: the key of the guarded model and the threat, then rates."""
    threat = ("model", "defense", "benchmark", "goal", "norm", "eps", "split", "judge")
    key, values = asdict(one.key), asdict(one)
    del values["key"], values["attacks"]
    params = {n: v for n, v in one.key.params.items() if "." in n and not _of_source(n)}
    return {
        **{name: key[name] for name in threat},
        "params": params,  # of the model, the defence and the benchmark
        **{name: _plain(value) for name, value in values.items()},
        "robust": _plain(one.robust),
        "attacks": [
            {
                "attack": tried.key.attack,
                "access": tried.key.access,
                "source": tried.key.source,
                "params": {
                    n: v for n, v in tried.key.params.items() if "." not in n or _of_source(n)
                },
                "asr": _plain(tried.common),
                "own_asr": _plain(tried.own),
                "own_n": tried.n,
            }
            for tried in one.attacks
        ],
    }


def _of_source(param: str) -> bool:
    return param.startswith("source.")


def unassessed(rows: Sequence[Row]) -> tuple[float, str]:
    """The share of rows that nobody could judge, and the most frequent reason."""
    reasons = Counter(row.reason for row in rows if row.outcome == Outcome.UNASSESSED)
    (reason, _) = next(iter(reasons.most_common(1)), ("", 0))
    return (reasons.total() / len(rows) if rows else 0.0), reason


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_plain(part) for part in value]
    if isinstance(value, dict):
        return {name: _plain(part) for name, part in value.items()}
    return round(value, 6) if isinstance(value, float) else value
