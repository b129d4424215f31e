"""`sallet calibrate`: fits which defence a query needs, on samples that nothing is reported of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np

from sallet.core.drive import Suspending, drive
from sallet.core.errors import RecipeError
from sallet.core.goal import Outcome
from sallet.core.guarded import Guarded
from sallet.core.offline import Offline
from sallet.core.protocols import Defense, Judge, Model
from sallet.core.query import Failure, Query
from sallet.defenses.choose import Curve, Policy, signals
from sallet.defenses.pool import weights_of
from sallet.train.cases import Case


@dataclass(frozen=True, kw_only=True)
class Settings:
    """`price` of one model answer; `strength` is how much the fit trusts its samples."""

    encoder: str = "world/clip"
    price: float = 0.005
    strength: float = 10.0
    views: bool = False
    purifier: str = ""

    def __post_init__(self) -> None:
        if self.price < 0 or not self.strength > 0:
            raise RecipeError("price is at least 0, strength is above 0")


def fit(
    model: Model,
    options: Sequence[tuple[str, Defense]],
    cases: Sequence[Case],
    judge: Judge,
    settings: Settings,
    told: Callable[[int, int, str], None] = lambda done, total, what: None,
) -> Policy:
    """A curve for each option; options stand from the cheapest to the dearest.

    What goes wrong is an attacker's success, and on a benign question any answer but a right one:
    a refusal, whoever wrote it, is one of those.
    """
    if len(cases) < 2 or not options:
        raise RecipeError("calibration needs options, and samples to try them on")
    empty = Policy(
        settings.encoder, weights_of(settings.encoder), (), settings.price, settings.views,
        settings.purifier,
    )  # fmt: skip
    rows = _signals(model, empty, [case.query for case in cases])
    curves: list[Curve] = []
    for number, (name, defense) in enumerate(options):
        told(number, len(options), name)
        guarded = Guarded(model, defense)
        answers = guarded.answer([case.query for case in cases])
        passes = guarded.tally.items["model"] / len(cases)
        for answer in answers:
            if isinstance(answer, Failure):
                raise answer.error
        verdicts = [judge.judge(c.query, a, c.goal) for c, a in zip(cases, answers, strict=True)]
        known = [i for i, v in enumerate(verdicts) if v.outcome is not Outcome.UNASSESSED]
        wrong = np.array([verdicts[i].outcome is Outcome.SUCCESS for i in known])
        curves.append(_curve(name, rows[known], wrong, passes, settings))
    curves.sort(key=lambda curve: curve.passes)
    fitted = f"{len(cases)} cases on {model.name}"
    return Policy(
        empty.encoder, empty.weights, tuple(curves), empty.price, empty.views, empty.purifier,
        fitted,
    )  # fmt: skip


def _signals(model: Model, policy: Policy, queries: Sequence[Query]) -> np.ndarray:
    """As the defence will see them, driven by the same runtime."""
    runtime = Offline(model)
    rows = drive((signals(policy, query, Suspending()) for query in queries), runtime)
    for row in rows:
        if isinstance(row, Failure):
            raise row.error
    return np.stack([row.detach().cpu().numpy() for row in rows])


def _curve(
    name: str, rows: np.ndarray, wrong: np.ndarray, passes: float, settings: Settings
) -> Curve:
    """Logistic regression; where all or none went wrong, a constant (rule of succession)."""
    if wrong.all() or not wrong.any():
        share = (wrong.sum() + 1) / (len(wrong) + 2)
        flat = (0.0,) * rows.shape[1]
        return Curve(name, flat, round(float(np.log(share / (1 - share))), 4), round(passes, 3))
    from sklearn.linear_model import LogisticRegression

    fitted = cast(Any, LogisticRegression)(C=settings.strength, max_iter=2000).fit(rows, wrong)
    weights = tuple(round(float(value), 4) for value in fitted.coef_[0])
    return Curve(name, weights, round(float(fitted.intercept_[0]), 4), round(passes, 3))
