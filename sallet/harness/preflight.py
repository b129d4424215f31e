"""Before the first question: every image of every sample is decoded once.

A picture that nobody can open would otherwise cost its row hours later, and a benchmark with a
third of its pictures missing would be another benchmark.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from sallet.core.errors import InputError, SalletError
from sallet.core.sample import Sample
from sallet.harness.plan import Plan


@dataclass(frozen=True)
class Looked:
    """How many images there are, and what is wrong with those that cannot be used."""

    images: int
    troubles: tuple[str, ...]


def looked(samples: Iterable[Sample]) -> Looked:
    """Decodes every image that is not in memory yet; keeps none."""
    images = 0
    troubles: list[str] = []
    for sample in samples:
        for image in sample.query.images:
            if image.eager:
                continue
            images += 1
            try:
                image.pixels()
            except SalletError as error:
                troubles.append(f"sample {sample.id}: {error}")
    return Looked(images, tuple(troubles))


def preflight(plan: Plan, tell: Callable[[str], None] = lambda _: None) -> None:
    """Raises where a benchmark of the plan has an image that cannot be used; nothing is asked."""
    seen: set[str] = set()
    for cell in plan.cells:
        new = [s for s in (*cell.samples, *cell.crafting) if f"{cell.benchmark}{s.id}" not in seen]
        seen |= {f"{cell.benchmark}{sample.id}" for sample in new}
        found = looked(new)
        if found.troubles:
            raise InputError(
                f"{cell.benchmark.name}: {len(found.troubles)} of {found.images} images cannot be "
                f"used, so nothing was asked; the first: {found.troubles[0]}"
            )
        if found.images:
            tell(f"{cell.benchmark.name}: {found.images} images can be decoded")
