"""A row as a sample of inspect: what was asked with which pictures, what was said, how judged."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any

from inspect_ai.log import EvalError, EvalSample
from inspect_ai.model import (
    ChatCompletionChoice,
    ChatMessageAssistant,
    ChatMessageUser,
    Content,
    ContentImage,
    ContentText,
    ModelOutput,
    StopReason,
)
from inspect_ai.scorer import Score

from sallet.harness.measures import MEASURES, assessed
from sallet.runs.artifacts import Artifacts
from sallet.runs.codec import as_dict
from sallet.runs.record import Row

STOPS: dict[str, StopReason] = {
    "stop": "stop",
    "length": "max_tokens",
    "tool_calls": "tool_calls",
    "content_filter": "content_filter",
}
SHOWN = ("key", "sample", "question", "reference", "wanted", "answer", "cell")
"""Fields that have their own place in a sample, or stand in the log's head."""


def sample(row: Row, rates: Sequence[str], artifacts: Artifacts | None) -> EvalSample:
    """The sample, scored for these rates; with the run's artifacts, hostile pictures are in it."""
    question = ChatMessageUser(
        id=f"{row.cell}-{row.sample}-question",
        content=[*_pictures(row, artifacts), ContentText(text=row.question)],
        source="input",
    )
    said = row.tries[-1] if row.tries else None
    answer = ChatMessageAssistant(
        id=f"{row.cell}-{row.sample}-answer",
        content=row.answer or "",
        source="generate",
        model=row.key.model,
    )
    stop = STOPS.get(said.finish if said else "stop", "unknown")
    known = row.answer is not None
    return EvalSample(
        id=row.sample,
        epoch=1,
        input=[question],
        target=_target(row),
        messages=[question, answer] if known else [question],
        output=ModelOutput(
            model=row.key.model,
            choices=[ChatCompletionChoice(message=answer, stop_reason=stop)] if known else [],
        ),
        scores=_scores(row, rates),
        metadata={name: value for name, value in as_dict(row).items() if name not in SHOWN},
        uuid=f"{row.cell}-{row.sample}",
        total_time=row.seconds,
        error=None if known else EvalError(message=row.reason, traceback="", traceback_ansi=""),
    )


def _pictures(row: Row, artifacts: Artifacts | None) -> list[Content]:
    """What was shown, as data in the log, so that the log can be moved; or its digest."""
    found: list[Content] = []
    for digest in row.hostile_images:
        path = artifacts.path(digest) if artifacts else None
        if path and path.exists():
            data = base64.b64encode(path.read_bytes()).decode()
            found.append(ContentImage(image=f"data:image/png;base64,{data}"))
        else:
            found.append(ContentText(text=f"[image {digest}]"))
    return found


def _target(row: Row) -> list[str]:
    """What the attacker wanted said, else what is right."""
    return [row.wanted] if row.wanted is not None else list(row.reference)


def _scores(row: Row, rates: Sequence[str]) -> dict[str, Score]:
    """One for each rate of the cell: 1 a hit, 0 none, unscored where the row is in no such rate."""
    about: dict[str, Any] = {
        "answer": row.answer,
        "explanation": row.reason,
        "metadata": {"outcome": row.outcome, "refused_by": row.refused_by},
    }
    scores: dict[str, Score] = {}
    for name in rates:
        hit = MEASURES[name](row)
        if hit is None:
            why = "not eligible" if assessed(row) else "unassessed"
            scores[name] = Score.unscored(reason=why, **about)
        else:
            scores[name] = Score(value=int(hit), **about)
    return scores
