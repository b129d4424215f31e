"""The workers of `Purify`: pictures of any size to clean ones, with or without a look in between.

A worker is plain configuration: equal ones share a pooled call. The networks are loaded once.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from sallet.core.errors import ModelError
from sallet.core.image import Image
from sallet.core.precision import fast_bfloat16
from sallet.core.query import Seeded
from sallet.purifiers.folder import Purifier
from sallet.purifiers.samplers import Flowing, Sampler

WEIGHTS = Path(__file__).parent / "weights"
MOST = 512
"""The longest side that is walked as it is."""


def load(folder: str, device: str = "cpu") -> Purifier:
    """A shipped purifier by its name (`world/...`), or a folder of one's own; read once, and again
    when what is in it has changed."""
    return _read(str(place(folder)), device, digest(folder))


def place(folder: str) -> Path:
    """Where a shipped name or a folder is."""
    if not folder.startswith("world/"):
        return Path(folder).expanduser()
    shipped = WEIGHTS / folder.removeprefix("world/")
    if not shipped.is_dir():
        names = sorted(f"world/{one.name}" for one in WEIGHTS.glob("*") if one.is_dir())
        raise ModelError(
            f"no purifier {folder!r} is shipped; there are {', '.join(names) or 'none'}; give a "
            "folder that `sallet train purifier` wrote"
        )
    return shipped


def digest(folder: str) -> str:
    """SHA-256 of every file of it: what a row says of the weights."""
    root = place(folder)
    files = sorted(path for path in root.rglob("*") if path.is_file())
    stamps = tuple((str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in files)
    return _hashed(root, stamps)


@lru_cache(64)
def _hashed(root: Path, stamps: tuple[tuple[str, int, int], ...]) -> str:
    hasher = hashlib.sha256()
    for path, _, _ in stamps:
        data = Path(path).read_bytes()
        hasher.update(f"{Path(path).relative_to(root)}\n{len(data)}\n".encode())
        hasher.update(data)
    return hasher.hexdigest()


@lru_cache(8)
def _read(folder: str, device: str, content: str) -> Purifier:
    return Purifier.from_pretrained(folder, device=device)


@dataclass(frozen=True, eq=False)
class Underway:
    """A picture on its way: as it came, the copy that is walked, and where it is."""

    seen: Tensor
    small: Tensor
    point: Tensor
    start: Tensor
    velocity: Tensor

    @property
    def pixels(self) -> int:
        """What it weighs in a pooled call."""
        return self.small.shape[-1] * self.small.shape[-2]

    @property
    def alarm(self) -> Tensor:
        """How far the first step would go, as the root of its mean square: an attack's sign."""
        return self.velocity.square().mean().sqrt()


@dataclass(frozen=True)
class Clean:
    """All the way in one call."""

    folder: str
    sampler: Sampler
    device: str = "cpu"
    name: str = "purifier"

    def __call__(self, items: Sequence[Seeded]) -> list[Image]:
        """One clean picture for each, in order."""
        made = purified(load(self.folder, self.device), self.sampler, items, self.device)
        return [Image(one) for one in made]


@dataclass(frozen=True)
class Begin:
    """Only the first evaluation, which says how hostile each picture looks."""

    folder: str
    sampler: Flowing
    device: str = "cpu"
    name: str = "purifier"

    def __call__(self, items: Sequence[Seeded]) -> list[Underway]:
        """Each on its way, in order."""
        purifier = load(self.folder, self.device)
        seen = [item.image.tensor() for item in items]
        small = [fitted(one) for one in seen]
        made: dict[int, Underway] = {}
        with gradient(seen, self.device):
            for places in alike(small):
                before = torch.stack([small[i] for i in places]).to(self.device)
                points = purifier.space.to(before)
                seeds = [items[i].seed for i in places]
                start, velocity = self.sampler.first(purifier, points, seeds)
                for i, *parts in zip(places, before, points, start, velocity, strict=True):
                    made[i] = Underway(seen[i], *parts)
        return [made[i] for i in range(len(seen))]


@dataclass(frozen=True)
class Finish:
    """The rest of the way of what was begun."""

    folder: str
    sampler: Flowing
    device: str = "cpu"
    name: str = "purifier"

    def __call__(self, items: Sequence[Underway]) -> list[Image]:
        """One clean picture for each, in order."""
        purifier = load(self.folder, self.device)
        made: dict[int, Image] = {}
        with gradient([item.velocity for item in items], self.device):
            for places in alike([item.small for item in items]):
                part = [items[i] for i in places]
                small, points, start, velocity = (
                    torch.stack([getattr(one, key) for one in part])
                    for key in ("small", "point", "start", "velocity")
                )
                after = self.sampler.rest(purifier, start, velocity)
                clean = purifier.space.back(small, points, after)
                for i, one, cleaned in zip(places, part, clean, strict=True):
                    came = one.seen
                    made[i] = Image(grown(came, one.small.to(came.device), cleaned.to(came.device)))
        return [made[i] for i in range(len(items))]


def purified(
    purifier: Purifier, sampler: Sampler, items: Sequence[Seeded], device: str = "cpu"
) -> list[Tensor]:
    """One clean `[3,h,w]` in [0,1] for each, in order; those of one size go together."""
    seen = [item.image.tensor() for item in items]
    small = [fitted(one) for one in seen]
    made: dict[int, Tensor] = {}
    with gradient(seen, device):
        for places in alike(small):
            before = torch.stack([small[i] for i in places]).to(device)
            points = purifier.space.to(before)
            after = sampler.run(purifier, points, [items[i].seed for i in places])
            clean = purifier.space.back(before, points, after).to(seen[0].device)
            made |= dict(zip(places, clean, strict=True))
        return [grown(seen[i], small[i], made[i]) for i in range(len(seen))]


@contextmanager
def gradient(seen: Sequence[Tensor], device: str) -> Iterator[None]:
    """A graph only where somebody will walk it back; in bfloat16 where that is faster. Without one
    it is float32, so that a batch gives what its pictures give alone."""
    wanted = torch.is_grad_enabled() and any(one.requires_grad for one in seen)
    half = wanted and fast_bfloat16(device)
    with torch.set_grad_enabled(wanted), torch.autocast("cpu", torch.bfloat16, enabled=half):
        yield


def alike(pictures: Sequence[Tensor]) -> list[list[int]]:
    """The places of those of one size."""
    sizes: dict[tuple[int, ...], list[int]] = {}
    for i, one in enumerate(pictures):
        sizes.setdefault(tuple(one.shape), []).append(i)
    return list(sizes.values())


def fitted(seen: Tensor, most: int = MOST) -> Tensor:
    """The picture, or a smaller copy of it whose longer side is `most`."""
    height, width = seen.shape[-2:]
    if max(height, width) <= most:
        return seen
    scale = most / max(height, width)
    size = (max(1, round(height * scale)), max(1, round(width * scale)))
    return interpolate(seen[None], size=size, mode="bilinear", antialias=True)[0]


def grown(seen: Tensor, small: Tensor, clean: Tensor) -> Tensor:
    """What a picture becomes: of one that was walked as a smaller copy the *change* is enlarged
    and added, so that text and fine detail stay as they were."""
    if small.shape != seen.shape:
        change = interpolate((clean - small)[None], size=seen.shape[-2:], mode="bilinear")[0]
        clean = seen + change
    return clean.clamp(0, 1)
