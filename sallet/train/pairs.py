"""Pairs of a hostile picture and the clean one, made by the attack engine as training goes on.

They are made in rounds. A round depends on the seed, its number and the models alone, and lies on
disk: a run that was stopped goes on with the very same ones.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image as Pil

from sallet import catalog
from sallet.core.errors import RecipeError
from sallet.core.goal import Goal, Kind
from sallet.core.image import Image, Pixels
from sallet.core.protocols import Attack, Model
from sallet.core.query import Query
from sallet.core.sample import Benchmark, Sample
from sallet.core.seeds import derive
from sallet.runs import files

BENCHMARKS = (
    "world/where", "world/presence", "world/caption", "world/reading", "world/naming",
    "world/colour", "world/count", "world/harmful-text", "world/harmless", "world/licit",
    "world/picture", "world/typographic",
)  # fmt: skip
GOALS: tuple[Kind, ...] = ("untargeted", "targeted", "jailbreak")


@dataclass(frozen=True)
class Pair:
    """A clean picture, what was made of it, and the question with its right answer."""

    clean: Pixels
    hostile: Pixels
    ask: str
    answer: str
    kind: str

    @property
    def query(self) -> Query:
        """The question about the clean picture."""
        return Query.ask(Image(self.clean), self.ask)


@dataclass(frozen=True)
class Mix:
    """What pairs are made of. `attacks` are named as a recipe names them, with settings of their
    own; those that take an `eps` get one drawn up to `eps`. `same` of the pictures stay as they
    are, `benign` are only changed as an honest sender changes them (JPEG, another size and back)
    and are their own aim: neither must be cleaned away.
    """

    attacks: tuple[tuple[str, dict[str, Any]], ...] = (
        ("pgd", {"steps": 10}),
        ("apgd", {"steps": 10}),
        ("pgd", {"steps": 10, "momentum": 0.95, "step": 2.0, "norm": "linf"}),
        ("patch", {"steps": 12}),
    )
    eps: float = 16.0
    same: float = 0.15
    benign: float = 0.1

    def __post_init__(self) -> None:
        if not self.attacks and self.same + self.benign < 1:
            raise RecipeError("a mix without attacks is all of `same` and `benign` pictures")


@dataclass(eq=False)
class Pairs:
    """Rounds of `size` pairs, in a folder."""

    folder: Path
    models: Sequence[Model]
    mix: Mix = Mix()
    benchmarks: Sequence[str] = BENCHMARKS
    size: int = 128
    seed: int = 0
    _read: dict[int, list[Pair]] = field(default_factory=dict[int, list[Pair]], init=False)

    def round(self, number: int) -> list[Pair]:
        """The pairs of a round: read, or made and kept."""
        if number not in self._read:
            path = self.folder / f"round-{number:05d}.npz"
            if not path.exists():
                self.folder.mkdir(parents=True, exist_ok=True)
                files.replace(path, _packed(self._made(number)))
            self._read[number] = _unpacked(path)
        return self._read[number]

    def forget(self, before: int) -> None:
        """Frees the memory of older rounds; they stay on disk."""
        self._read = {n: pairs for n, pairs in self._read.items() if n >= before}

    def _made(self, number: int) -> list[Pair]:
        rng = np.random.default_rng(derive(self.seed, "round", number))
        samples = self._samples(number, rng)
        shares = rng.random(len(samples))
        honest = [s for s, share in zip(samples, shares, strict=True) if share < self._kept]
        attacked = [s for s, share in zip(samples, shares, strict=True) if share >= self._kept]
        pairs = [self._honest(sample, rng) for sample in honest]
        groups = np.array_split(np.arange(len(attacked)), max(1, len(self.mix.attacks)))
        for (name, settings), places in zip(self.mix.attacks, groups, strict=False):
            part = [attacked[i] for i in places]
            model = self.models[int(rng.integers(len(self.models)))]
            if part:
                pairs += self._attacked(part, self._attack(name, settings, rng), model, rng)
        order = rng.permutation(len(pairs))
        return [pairs[i] for i in order]

    @property
    def _kept(self) -> float:
        return self.mix.same + self.mix.benign

    @cached_property
    def _drawn(self) -> list[Benchmark]:
        return [_built(name) for name in self.benchmarks]

    def _samples(self, number: int, rng: np.random.Generator) -> list[Sample]:
        """The same number of every benchmark's, in any order; none twice in a training."""
        share = -(-self.size // len(self._drawn))
        drawn = [
            sample
            for each in self._drawn
            for sample in each.samples(share, derive(self.seed, "scenes", number) % 100_000)
        ]
        return [drawn[i] for i in rng.permutation(len(drawn))[: self.size]]

    def _attack(self, name: str, settings: dict[str, Any], rng: np.random.Generator) -> Attack:
        given = dict(settings)
        if name != "patch":
            given["eps"] = float(rng.uniform(1, self.mix.eps))
            if "step" in given:
                given["step"] = min(given["step"], given["eps"])
        return catalog.build("attack", name, **given, stop_early=bool(rng.random() < 0.5))

    def _attacked(
        self, samples: Sequence[Sample], attack: Attack, model: Model, rng: np.random.Generator
    ) -> list[Pair]:
        goals = [_goal(sample, rng) for sample in samples]
        made = attack(
            model, [s.query for s in samples], goals,
            judge=catalog.build("judge", "world"), seed=int(rng.integers(1 << 31)),
        )  # fmt: skip
        return [
            _pair(sample, one.query.images[0].pixels(), attack.name)
            for sample, one in zip(samples, made, strict=True)
        ]

    def _honest(self, sample: Sample, rng: np.random.Generator) -> Pair:
        share = self.mix.same / self._kept if self._kept else 1.0
        if rng.random() < share:
            return _pair(sample, sample.query.images[0].pixels(), "same")
        sent = _resent(sample.query.images[0].pixels(), rng)
        return Pair(sent, sent, sample.query.user_text, sample.reference[0], "benign")


def _built(name: str) -> Benchmark:
    """`world/...`, of its training split; or `NAME=PATH` of a benchmark of files."""
    name, _, path = name.partition("=")
    given = {"path": path} if path else {"split": "train"}
    return catalog.build("benchmark", name, **given)


def _pair(sample: Sample, hostile: Pixels, kind: str) -> Pair:
    clean = sample.query.images[0].pixels()
    return Pair(clean, hostile, sample.query.user_text, sample.reference[0], kind)


def _goal(sample: Sample, rng: np.random.Generator) -> Goal:
    known = [sample.goals[kind] for kind in GOALS if kind in sample.goals]
    known = known or [Goal.stop_saying(sample.reference[0])]
    return known[int(rng.integers(len(known)))]


def _resent(pixels: Pixels, rng: np.random.Generator) -> Pixels:
    """As an honest sender's picture comes: through JPEG, or resized there and back."""
    picture = Pil.fromarray(pixels)
    if rng.random() < 0.5:
        file = io.BytesIO()
        picture.save(file, "JPEG", quality=int(rng.integers(60, 96)))
        return np.asarray(Pil.open(file).convert("RGB"))
    scale = float(rng.uniform(0.6, 1.4))
    width, height = (max(8, round(side * scale)) for side in picture.size)
    there = picture.resize((width, height), Pil.Resampling.BILINEAR)
    return np.asarray(there.resize(picture.size, Pil.Resampling.BILINEAR))


def _packed(pairs: Sequence[Pair]) -> bytes:
    file = io.BytesIO()
    arrays: dict[str, Any] = {f"clean{i}": pair.clean for i, pair in enumerate(pairs)}
    arrays |= {f"hostile{i}": pair.hostile for i, pair in enumerate(pairs)}
    arrays["words"] = np.array([[pair.ask, pair.answer, pair.kind] for pair in pairs])
    np.savez(file, **arrays)
    return file.getvalue()


def _unpacked(path: Path) -> list[Pair]:
    with np.load(path) as kept:
        return [
            Pair(kept[f"clean{i}"], kept[f"hostile{i}"], *(str(word) for word in words))
            for i, words in enumerate(kept["words"])
        ]


def crop(pair: Pair, side: int, generator: torch.Generator) -> tuple[Pixels, Pixels]:
    """The same square of the hostile and of the clean picture; a smaller one is continued."""
    height, width = pair.clean.shape[:2]
    down, right = max(0, side - height), max(0, side - width)
    frame = ((0, down), (0, right), (0, 0))
    hostile, clean = (np.pad(part, frame, mode="edge") for part in (pair.hostile, pair.clean))
    top, left = (int(torch.randint(n - side + 1, (), generator=generator)) for n in clean.shape[:2])
    window = (slice(top, top + side), slice(left, left + side))
    return hostile[window], clean[window]
