"""One image for a corpus of goals (Qi et al. 2024, section 3): whatever is asked beside it.

It is found on some questions and laid on any. At each step the gradient is averaged over a few
pairs of a question and a wanted answer, so that what is left is what they have in common.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import torch

from sallet.attacks.fitting import Fit, laid, pictures_of
from sallet.attacks.forms import Change, Form, Stuck, Whole, base_picture, usual_size
from sallet.attacks.placing import Placing
from sallet.attacks.threat import Threat, floats
from sallet.core.errors import NoGradient, RecipeError
from sallet.core.goal import Goal
from sallet.core.image import Image
from sallet.core.protocols import Hostile, Judge, Model, Progress, WhiteBox, silent
from sallet.core.query import Query
from sallet.core.seeds import derive

FORMS = ("image", "change", "patch")


@dataclass(frozen=True, kw_only=True)
class Universal:
    """Descent with momentum on one carrier for all queries, `pairs` of them a step.

    `form` is what is shared: a whole `image` within `eps` of a `base` (`grey`, `noise`, the `first`
    picture, or a file; eps 255 is unbounded) in place of each picture; a `change` within `eps`,
    stretched to each picture; or a `patch` (`side`, `location`, `rotation`, as in `patch`). Every
    `check_every` steps the model is asked about `asked` of the queries, with the 8-bit image: kept
    is what most of them fell for, and among equals what had the lowest loss since the last check.
    Where a defence is random, each pair meets a fresh seed of it (EOT). With `steps` 0 it is its
    random start: a control.
    """

    name: ClassVar[str] = "universal"
    eps: float = 32.0
    norm: str = "linf"
    steps: int = 300
    step: float | None = None
    momentum: float = 0.9
    fall: float = 0.1
    pairs: int = 8
    form: str = "image"
    base: str = "grey"
    side: float = 0.25
    location: str = "bottom-right"
    rotation: float = 0.0
    check_every: int = 25
    asked: int = 32
    stop_early: bool = False

    def __post_init__(self) -> None:
        for key, least in (("steps", 0), ("pairs", 1), ("check_every", 1), ("asked", 1)):
            if getattr(self, key) < least:
                raise RecipeError(f"{key} must be at least {least}; it is {getattr(self, key)}")
        if self.form not in FORMS:
            raise RecipeError(f"form must be {', '.join(FORMS)}; it is {self.form!r}")
        if not 0 <= self.momentum < 1:
            raise RecipeError(f"momentum must be in [0, 1); it is {self.momentum}")
        if not 0 < self.fall <= 1:
            raise RecipeError(f"fall must be in (0, 1]; it is {self.fall}")
        if self.form == "patch" and (self.eps != 255 or self.norm != "linf"):
            raise RecipeError(
                "a patch is bounded by its side: set eps to 255 and norm to linf; got "
                f"{self.eps:g} and {self.norm}"
            )
        if self.form == "change":
            _ = Change((1, 1), self.threat)
        _ = self.threat, self.placing

    @property
    def threat(self) -> Threat:
        """How far it may be from its base."""
        return Threat(self.norm, self.eps)  # pyright: ignore[reportArgumentType]

    @property
    def placing(self) -> Placing:
        """Where a patch lies."""
        return Placing(self.side, self.location, self.rotation)

    @property
    def first_step(self) -> float:
        """In 8-bit units; of its own eps/8, in linf at most 8."""
        own = self.eps / 8 if self.norm == "l2" else min(self.eps / 8, 8.0)
        return own if self.step is None else self.step

    def at(self, done: int) -> float:
        """The step at iteration `done`, in [0,1] pixel units."""
        first = self.first_step / 255
        return first * (1 - (1 - self.fall) * done / self.steps)

    def __call__(
        self,
        model: Model,
        queries: Sequence[Query],
        goals: Sequence[Goal],
        *,
        judge: Judge,
        seed: int,
        progress: Progress = silent,
    ) -> list[Hostile]:
        """Fitted on these queries and laid on them."""
        if not queries:
            return []
        found = self.fit(model, queries, goals, judge=judge, seed=seed, progress=progress)
        return self.lay(found, queries)

    def fit(
        self,
        model: Model,
        queries: Sequence[Query],
        goals: Sequence[Goal],
        *,
        judge: Judge,
        seed: int,
        progress: Progress = silent,
    ) -> Hostile:
        """The one image for these queries and goals, on its own in a query."""
        if not isinstance(model, WhiteBox):
            raise NoGradient(
                f"{self.name} needs a gradient, and {model.name!r} gives none; find the image on a "
                "local model and transfer it"
            )
        if not queries:
            raise RecipeError(f"{self.name} is found on queries, and there is none")
        pictures = [picture for query in queries for picture in pictures_of(query, self.name)]
        own = derive(seed, "universal")
        form = self._form(pictures, torch.Generator().manual_seed(own))
        pairs = list(zip(queries, goals, strict=True))
        return Fit(self, model, pairs, judge, progress, form, own).run()

    def lay(self, found: Hostile, queries: Sequence[Query], /) -> list[Hostile]:
        """The image in, or on, the pictures of these queries; a random place follows from each."""
        (carrier,) = found.query.images
        form = self._form([carrier], torch.Generator(), carrier)
        return [
            replace(found, query=laid(form, carrier, query, self.name, derive(0, query.digest)))
            for query in queries
        ]

    def _form(
        self, pictures: Sequence[Image], generator: torch.Generator, carrier: Image | None = None
    ) -> Form:
        size = usual_size(pictures)
        if self.form == "patch":
            return Stuck(carrier.size[0] if carrier else self.placing.side(*size), self.placing)
        if self.form == "change":
            return Change(size, self.threat)
        base = floats(carrier) if carrier else base_picture(self.base, pictures, generator)
        return Whole(base, self.threat)
