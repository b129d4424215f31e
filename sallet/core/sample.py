"""What a benchmark is made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from sallet.core.goal import Goal, Kind
from sallet.core.query import Query


@dataclass(frozen=True)
class Sample:
    """One question with what is known of it.

    `goals` holds what an attacker may want of it. The goal named `default` judges the sample when
    nothing is attacked: *untargeted* on a benign sample (is the answer right?), *jailbreak* on a
    harmful one (does it comply and name the thing?). Nothing is ever crafted on a `reserved` one.
    """

    id: str
    query: Query
    reference: tuple[str, ...]
    harmful: bool
    cluster: str
    goals: Mapping[Kind, Goal]
    category: str = ""
    split: str | None = None
    reserved: bool = False
    attack_class: str = ""
    licence: str = ""
    revision: str = ""
    """Of the files that it was read from."""

    @property
    def default(self) -> Goal:
        """The goal that judges this sample when nothing is attacked."""
        return self.goals["jailbreak" if self.harmful else "untargeted"]


class Benchmark(Protocol):
    """Samples with a query, a reference, tags and a licence, and the judge that its paper uses."""

    @property
    def name(self) -> str: ...
    @property
    def licence(self) -> str: ...
    @property
    def judge(self) -> str: ...
    def samples(self, limit: int | None, seed: int) -> list[Sample]:
        """At most `limit` samples, the same ones for the same seed."""
        ...
