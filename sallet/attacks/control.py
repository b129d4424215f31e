"""Controls: what is not an attack, so that what an attack does can be told from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import torch

from sallet.attacks.fitting import laid, pictures_of
from sallet.attacks.forms import Whole, base_picture
from sallet.attacks.threat import Threat, floats
from sallet.core.goal import Goal
from sallet.core.protocols import Hostile, Judge, Model, Progress, silent
from sallet.core.query import Query
from sallet.core.seeds import derive


@dataclass(frozen=True)
class Unchanged:
    """The query as it is."""

    name: ClassVar[str] = "none"

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
        return [Hostile(query) for query in queries]


@dataclass(frozen=True, kw_only=True)
class UniformNoise:
    """Random noise of the same size as an attack's change, that looks at no model."""

    name: ClassVar[str] = "uniform-noise"
    eps: float = 8.0
    norm: str = "linf"

    def __post_init__(self) -> None:
        _ = self.threat

    @property
    def threat(self) -> Threat:
        """The ball that the noise fills."""
        return Threat(self.norm, self.eps)  # pyright: ignore[reportArgumentType]

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
        hostile: list[Hostile] = []
        for query in queries:
            generator = torch.Generator().manual_seed(derive(seed, "control", query.digest))
            clean = [floats(image) for image in query.images]
            noise = [self.threat.start(c, generator) for c in clean]
            pairs = zip(clean, noise, strict=True)
            images = [self.threat.file(c, n) for c, n in pairs]
            hostile.append(Hostile(query.with_images(images)))
        return hostile


@dataclass(frozen=True, kw_only=True)
class SharedNoise(UniformNoise):
    """The control of one image for all: the base that `universal` has, with noise of its size."""

    base: str = "grey"

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
        pictures = [picture for query in queries for picture in pictures_of(query, self.name)]
        generator = torch.Generator().manual_seed(derive(seed, "universal"))
        form = Whole(base_picture(self.base, pictures, generator), self.threat)
        carrier = form.start(torch.Generator().manual_seed(derive(seed, "universal control")))
        return Hostile(Query.ask(form.keep(carrier)))

    def lay(self, found: Hostile, queries: Sequence[Query], /) -> list[Hostile]:
        (carrier,) = found.query.images
        form = Whole(floats(carrier), self.threat)
        return [replace(found, query=laid(form, carrier, query, self.name, 0)) for query in queries]

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
        if not queries:
            return []
        return self.lay(self.fit(model, queries, goals, judge=judge, seed=seed), queries)


def uniform_noise(*, eps: float = 8.0, norm: str = "linf", base: str | None = None) -> UniformNoise:
    """Noise on each picture; or, with a `base`, on one picture in place of all."""
    if base is None:
        return UniformNoise(eps=eps, norm=norm)
    return SharedNoise(eps=eps, norm=norm, base=base)
