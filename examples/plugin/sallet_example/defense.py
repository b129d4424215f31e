"""Shows the model every picture in a mirror: left and right change places, light stays light."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from sallet.core.protocols import Gradient, Via
from sallet.core.query import Answer, Query


@dataclass(frozen=True, kw_only=True)
class Mirror:
    """`full`: an attacker who knows it has the exact gradient; `stochastic`: it draws nothing."""

    name: ClassVar[str] = "example/mirror"
    gradient: ClassVar[Gradient] = "full"
    stochastic: ClassVar[bool] = False
    upside_down: bool = False

    async def guard(self, query: Query, via: Via) -> Query | Answer:
        """Returns the query to forward; an `Answer` here would be a refusal."""
        return query.map_images(lambda image: image.view(self._turned))

    def _turned(self, seen: Tensor) -> Tensor:
        return seen.flip(1 if self.upside_down else 2)
