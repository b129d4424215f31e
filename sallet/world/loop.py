"""The training loop: one-cycle AdamW whose every step is a function of its number.

Guaranteed: a batch and a learning rate depend on the step alone and the
checkpoint holds all other state, so a run that was killed and resumed walks the
same curve. Checkpoints replace each other atomically; a full disk or an
interrupt leaves the last one whole.
"""

from __future__ import annotations

import json
import math
import os
import signal
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from sallet.core.errors import SalletError

Batch = TypeVar("Batch")


@dataclass(frozen=True, kw_only=True)
class Stage(Generic[Batch]):
    """One stage of training: what is trained, on what, and how its loss is computed."""

    name: str
    module: nn.Module
    batch: Callable[[int], Batch]
    loss: Callable[[Batch], Tensor]
    steps: int
    rate: float
    """The highest learning rate of the cycle."""
    slow: tuple[str, ...] = ()
    """Parameters whose names begin so are trained at ``slow_factor`` of the rate."""
    slow_factor: float = 0.3
    every: int = 200
    """Steps between checkpoints."""


class TrainingError(SalletError):
    """Training cannot go on: a loss is not finite, or a checkpoint does not fit the run."""


def one_cycle(step: int, steps: int, peak: float, warmup: float = 0.08) -> float:
    """Linear warm-up, then half a cosine to one hundredth of the peak (Smith, 2018)."""
    done = (step + 1) / steps
    if done < warmup:
        return peak * max(done / warmup, 0.02)
    return peak * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * (done - warmup) / (1 - warmup))))


def fit(
    stage: Stage[Batch],
    folder: Path,
    *,
    resume: bool = True,
    workers: int = 1,
    stop: int | None = None,
    report: Callable[[str, int, int, float], None] = lambda *_: None,
    saved: Callable[[], None] = lambda: None,
) -> list[float]:
    """Train a stage to its end (or to step ``stop``) and return the losses of the steps run now."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{stage.name}.ckpt"
    optimizer = torch.optim.AdamW(_groups(stage), lr=stage.rate, betas=(0.9, 0.98), fused=True)
    start = _load(path, stage, optimizer) if resume and path.is_file() else 0
    last = stage.steps if stop is None else min(stop, stage.steps)
    losses: list[float] = []
    curve = folder / f"{stage.name}.jsonl"
    stage.module.train()
    with _Interrupt() as interrupt:
        for step, batch in _batches(stage, start, last, workers):
            losses.append(_update(stage, optimizer, step, batch))
            report(stage.name, step + 1, stage.steps, losses[-1])
            whole = (step + 1) % stage.every == 0
            if whole or interrupt.asked or step + 1 == last:
                _save(path, stage, optimizer, step + 1)
                _log(curve, losses, start)
                saved()
            if interrupt.asked:
                raise KeyboardInterrupt
    return losses


def _update(
    stage: Stage[Batch], optimizer: torch.optim.Optimizer, step: int, batch: Batch
) -> float:
    rate = one_cycle(step, stage.steps, stage.rate)
    for group in optimizer.param_groups:
        group["lr"] = rate * group["factor"]
    loss = stage.loss(batch)
    value = loss.item()
    if not math.isfinite(value):
        raise TrainingError(f"{stage.name}: loss {value} at step {step}; lower the learning rate")
    loss.backward()
    nn.utils.clip_grad_norm_(stage.module.parameters(), 1.0)
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    return value


class _Interrupt:
    """Ctrl-C waits for the end of a step, so that what is saved is whole; a second one does not."""

    def __init__(self) -> None:
        self.asked = False
        self._main = threading.current_thread() is threading.main_thread()
        self._before: Any = None

    def __enter__(self) -> _Interrupt:
        if self._main:
            self._before = signal.signal(signal.SIGINT, self._ask)
        return self

    def _ask(self, *_: object) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True

    def __exit__(self, *_: object) -> None:
        if self._main:
            signal.signal(signal.SIGINT, self._before)


class _Steps(Dataset[Batch]):
    """A stage's batches by step number, so that another process can draw them."""

    def __init__(self, batch: Callable[[int], Batch]) -> None:
        self.batch = batch

    def __getitem__(self, index: int) -> Batch:
        return self.batch(index)


def _deaf(_: int) -> None:
    """A loader process leaves Ctrl-C to the one that trains."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _batches(
    stage: Stage[Batch], start: int, last: int, workers: int
) -> Iterator[tuple[int, Batch]]:
    steps = range(start, last)
    ahead = 8 if workers else None
    loader = DataLoader(
        _Steps(stage.batch),
        batch_size=None,
        sampler=steps,
        num_workers=workers,
        prefetch_factor=ahead,
        worker_init_fn=_deaf,
    )
    return zip(steps, loader, strict=True)


def _groups(stage: Stage[Batch]) -> list[dict[str, object]]:
    """Parameters by decay (matrices only) and by pace."""
    groups: dict[tuple[bool, bool], list[nn.Parameter]] = {}
    for name, parameter in stage.module.named_parameters():
        key = (parameter.ndim >= 2, name.startswith(stage.slow) if stage.slow else False)
        groups.setdefault(key, []).append(parameter)
    return [
        {
            "params": members,
            "weight_decay": 0.05 if decays else 0.0,
            "factor": stage.slow_factor if slow else 1.0,
        }
        for (decays, slow), members in groups.items()
    ]


def _load(path: Path, stage: Stage[Batch], optimizer: torch.optim.Optimizer) -> int:
    kept = torch.load(path, map_location="cpu", weights_only=True)
    if kept["steps"] != stage.steps:
        raise TrainingError(
            f"{path} was written by a run of {kept['steps']} steps, this one has {stage.steps}; "
            "give the same number, or another folder"
        )
    stage.module.load_state_dict(kept["module"])
    optimizer.load_state_dict(kept["optimizer"])
    return int(kept["step"])


def _save(path: Path, stage: Stage[Batch], optimizer: torch.optim.Optimizer, step: int) -> None:
    fresh = path.with_suffix(".new")
    state = {"module": stage.module.state_dict(), "optimizer": optimizer.state_dict()}
    try:
        torch.save({**state, "step": step, "steps": stage.steps}, fresh)
        os.replace(fresh, path)
    except (OSError, RuntimeError) as error:  # torch reports a full disk as a RuntimeError
        raise TrainingError(
            f"cannot write {path} ({error}); free some space and run the same command again"
        ) from error
    finally:
        if fresh.is_file():
            fresh.unlink()


def _log(path: Path, losses: list[float], start: int) -> None:
    """Rewrite the tail of the curve from ``start`` on: a resumed run leaves no step twice."""
    kept = path.read_text().splitlines()[:start] if path.is_file() else []
    kept += [json.dumps({"step": start + i + 1, "loss": round(x, 6)}) for i, x in enumerate(losses)]
    fresh = path.with_suffix(".new")
    fresh.write_text("\n".join(kept) + "\n")
    os.replace(fresh, path)
