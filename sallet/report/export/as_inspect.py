"""Logs that `inspect view` opens: a folder with one `.eval` file for each cell.

A log of inspect has one model, one dataset, one solver and one set of results, as a cell has one
model, one benchmark, one defence and its rates: so the viewer's list of logs is the run's table,
and a line of it opens on the cell's samples. A log for everything would have one result for all.
"""

from __future__ import annotations

import re
from dataclasses import fields
from datetime import UTC, datetime
from pathlib import Path

from inspect_ai.log import (
    EvalConfig,
    EvalDataset,
    EvalLog,
    EvalMetric,
    EvalPlan,
    EvalPlanStep,
    EvalResults,
    EvalRevision,
    EvalScore,
    EvalSpec,
    EvalStats,
    write_eval_log,
)
from inspect_ai.viewer import ViewerConfig

from sallet.harness.measures import MEASURES, Measure
from sallet.report.export.columns import rates
from sallet.report.export.inspect_samples import sample
from sallet.report.export.options import Options
from sallet.report.export.source import Arm, Source
from sallet.runs.record import Cell, CellKey

ARGS = tuple(
    dict.fromkeys(("defense", "attack", "access", *(field.name for field in fields(CellKey))))
)
"""What tells one log from the next first: the viewer's columns are narrow."""
LONGEST = 120  # part of a file's name; a stack of defences may have any number


def write(source: Source, options: Options, folder: Path) -> None:
    """Writes every log into the folder."""
    begun = _begun(source)
    for arm in source.arms:
        log = _log(source, arm, begun, options)
        # As inspect names its own: it reads the time, the task and the id from the name.
        task = re.sub(r"[^A-Za-z0-9.]+", "-", log.eval.task).strip("-")[:LONGEST]
        write_eval_log(log, folder / f"{begun:%Y-%m-%dT%H-%M-%S+00-00}_{task}_{arm.digest}.eval")


def _log(source: Source, arm: Arm, begun: datetime, options: Options) -> EvalLog:
    key, made = arm.key, source.manifest
    moment = begun.isoformat(timespec="seconds")
    artifacts = source.artifacts if options.images else None
    scored = [name for name in MEASURES if arm.sums[name]] or ["asr" if key.goal else "utility"]
    spec = EvalSpec(
        eval_id=arm.digest,
        run_id=made.digest,
        created=moment,
        task=_task(arm),
        task_id=arm.digest,
        task_args={name: getattr(key, name) for name in ARGS},
        dataset=EvalDataset(
            name=key.benchmark,
            samples=len(arm.rows),
            sample_ids=[row.sample for row in arm.rows],
            shuffled=False,
        ),
        model=key.model,
        solver=key.defense,
        config=EvalConfig(),
        revision=_revision(made.commit),
        packages={"sallet": made.sallet, **made.libraries},
        metadata={"recipe": source.recipe, "machine": made.machine, **arm.sums},
        # Where no picture is lost by it, the viewer shows hostile text as nothing but text.
        viewer=None if options.images else ViewerConfig(trust_content=False),
    )
    return EvalLog(
        status="success",
        eval=spec,
        plan=EvalPlan(
            name=key.defense,
            steps=[EvalPlanStep(solver=layer) for layer in key.defense.split("+")],
        ),
        results=_results(arm),
        stats=EvalStats(started_at=moment, completed_at=moment),
        samples=[sample(row, scored, artifacts) for row in arm.rows],
    )


def _task(arm: Arm) -> str:
    """The cell's name without its model, defence first."""
    return ", ".join(reversed(arm.words[1:]))


def _results(arm: Arm) -> EvalResults:
    """A score for each rate that single answers show, with its interval; other rates beside it."""
    scores = [_score(arm, name, measure) for name, measure in MEASURES.items() if arm.sums[name]]
    shown = {name: arm.sums[name] for name in rates(Cell) if arm.sums[name]}
    return EvalResults(
        total_samples=len(arm.rows),
        completed_samples=len(arm.rows) - arm.sums["unassessed"],
        scores=scores,
        metadata={"interval": arm.sums["interval"], "clusters": arm.sums["clusters"], **shown},
    )


def _score(arm: Arm, name: str, measure: Measure) -> EvalScore:
    scored = sum(measure(row) is not None for row in arm.rows)
    rate, low, high = arm.sums[name]
    values = {name: rate, f"{name}_low": low, f"{name}_high": high}
    return EvalScore(
        name=name,
        scorer=arm.key.judge,
        scored_samples=scored,
        unscored_samples=len(arm.rows) - scored,
        metrics={one: EvalMetric(name=one, value=value) for one, value in values.items()},
    )


def _revision(commit: str) -> EvalRevision | None:
    """Of the code that began the run."""
    first, _, changed = commit.partition("; ")[0].partition("+")
    if not first:
        return None
    return EvalRevision(type="git", origin="", commit=first, dirty=bool(changed))


def _begun(source: Source) -> datetime:
    """When the run began; now, for a published one that does not say it."""
    begun = source.manifest.begun
    return (datetime.fromisoformat(begun) if begun else datetime.now(UTC)).astimezone(UTC)
