"""Trains a purifier: pairs from the attack engine, an objective, a guide, accelerate's loop.

Every step is a function of its number: its pairs, crops, times and noise are drawn from the run's
seed and from it, and the checkpoint holds all the rest. So a run that was stopped goes on along
the same curve.
"""

from __future__ import annotations

import copy
import json
import math
import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import ProjectConfiguration
from diffusers.schedulers.scheduling_ddpm import DDPMScheduler
from diffusers.training_utils import EMAModel
from torch import Tensor

from sallet.core.errors import RecipeError, StoreError
from sallet.core.image import to_float
from sallet.core.seeds import derive
from sallet.purifiers.folder import Card, Purifier
from sallet.purifiers.network import Network, unet
from sallet.purifiers.samplers import Flowing
from sallet.purifiers.space import LatentSpace, PixelSpace, Space
from sallet.purifiers.stable import prompted
from sallet.runs import files
from sallet.train import balance
from sallet.train.objectives import Bridge, Denoising, Flow, Guide, Objective
from sallet.train.pairs import Pair, Pairs, crop
from sallet.train.policy import OnPolicy, Walk
from sallet.train.preview import sheet
from sallet.train.settings import Settings

Progress = Callable[[int, int, float], None]


def silent(step: int, steps: int, loss: float) -> None:
    """No progress."""


@dataclass(eq=False)
class Training:
    """One run in a folder: `rounds/`, `checkpoint/`, `curve.jsonl`, previews, and at its end
    `purifier/`."""

    out: Path
    settings: Settings
    pairs: Pairs
    guide: Guide | None = None
    policy: OnPolicy | None = None
    space: Space = field(default_factory=PixelSpace)
    tensorboard: bool = False

    def __post_init__(self) -> None:
        s = self.settings
        where = ProjectConfiguration(project_dir=str(self.out), logging_dir=str(self.out / "logs"))
        self.accelerator = Accelerator(
            mixed_precision=s.precision, project_config=where,
            log_with="tensorboard" if self.tensorboard else None,
        )  # fmt: skip
        torch.manual_seed(s.seed)
        network = self._begun()
        learning = _learning(network)
        self.scheduler = None if s.kind == "flow" else DDPMScheduler(prediction_type="sample")
        self.objective = self._taught()
        self.ema = EMAModel(learning, decay=s.ema)
        optimizer = torch.optim.AdamW(learning, lr=s.rate, weight_decay=1e-4)
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, self._pace)
        self.network, self.optimizer, self.schedule = self.accelerator.prepare(
            network, optimizer, schedule
        )
        self.ema.to(self.accelerator.device)
        self.accelerator.register_for_checkpointing(self.ema)
        self.step = 0

    def _begun(self) -> Network:
        s = self.settings
        if s.base is not None:
            network, self.space = prompted(s.base, noise=s.noise, rank=s.rank)
            return network
        if s.start is None:
            channels = 4 if isinstance(self.space, LatentSpace) else 3
            way = s.kind == "flow"
            return unet(channels, fold=s.fold, widths=s.widths, layers=s.layers, way=way)
        begun = Purifier.from_pretrained(s.start)
        if begun.card.kind != s.folder:
            raise RecipeError(f"{s.start} is a {begun.card.kind}, and a {s.kind} is to be trained")
        return begun.network.train().requires_grad_(True)

    def _taught(self) -> Objective:
        s = self.settings
        if s.kind == "flow":
            return Flow(s.noise, s.first)
        return (Bridge if s.kind == "bridge" else Denoising)(self.scheduler, s.until)

    def run(self, progress: Progress = silent) -> Path:
        """Trains to the end; returns the folder of the purifier."""
        self._resume()
        if self.tensorboard:
            self.accelerator.init_trackers("purifier")
        self.network.train()
        while self.step < self.settings.steps:
            loss = self._step()
            self.step += 1
            progress(self.step, self.settings.steps, loss)
            if self.step % self.settings.save_every == 0 or self.step == self.settings.steps:
                self._save()
        if self.tensorboard:
            self.accelerator.end_training()
        return self.purifier().save_pretrained(self.out / "purifier")

    def purifier(self) -> Purifier:
        """What it would be if the training ended now: the averaged weights."""
        network: Network = copy.deepcopy(self.accelerator.unwrap_model(self.network))
        self.ema.copy_to(_learning(network))
        s = self.settings
        trained = {
            key: value for key, value in asdict(s).items() if key not in ("widths", "start", "base")
        }
        trained |= {"models": [model.name for model in self.pairs.models], "done": self.step}
        trained |= self._beside()
        card = Card(
            kind=s.folder, space="latent" if isinstance(self.space, LatentSpace) else "pixel",
            fold=network.fold, noise=s.noise, steps=s.at_inference, base=s.base,
            rank=s.rank if s.base else 0, trained=trained,
        )  # fmt: skip
        return Purifier(card, network.eval().requires_grad_(False), self.space, self.scheduler)

    def _step(self) -> float:
        generator = torch.Generator().manual_seed(
            derive(self.settings.seed, "step", self.step, self.accelerator.process_index)
        )
        pairs, guided = self._batch(generator), self.settings.guided
        if self.policy and guided:
            walk = self._walk(self.accelerator.unwrap_model(self.network))
            fresh = self.policy(pairs[:guided], walk, self.step, generator)
            pairs = [*fresh, *pairs[guided:]]
        parts = {"objective": self._objective(pairs, generator)}
        if self.guide and guided and self.settings.kind == "flow":
            parts["guide"] = self._guide(pairs[:guided], generator)
            balance.backward(self.accelerator, self.network, *parts.values())
        else:
            self.accelerator.backward(parts["objective"])
        self.accelerator.clip_grad_norm_(self.network.parameters(), 1.0)
        self.optimizer.step()
        self.schedule.step()
        self.optimizer.zero_grad()
        self.ema.step(_learning(self.accelerator.unwrap_model(self.network)))
        value = sum(float(part.detach()) for part in parts.values())
        if not math.isfinite(value):
            raise StoreError(
                f"the loss is {value} at step {self.step}; go on from the last checkpoint with a "
                "lower --rate"
            )
        self._note({key: float(part.detach()) for key, part in parts.items()})
        return value

    def _batch(self, generator: torch.Generator) -> list[Pair]:
        s = self.settings
        now = self.step // s.every
        with self.accelerator.main_process_first():
            self.pairs.round(now)
        rounds = range(max(0, now - s.window + 1), now + 1)
        self.pairs.forget(rounds[0])
        known = [pair for number in rounds for pair in self.pairs.round(number)]
        chosen = torch.randint(len(known), (s.batch,), generator=generator)
        return [known[int(i)] for i in chosen]

    def _objective(self, pairs: Sequence[Pair], generator: torch.Generator) -> Tensor:
        crops = [crop(pair, self.settings.crop, generator) for pair in pairs]
        hostile, clean = (
            torch.stack([to_float(crop[i]) for crop in crops]).to(self.accelerator.device)
            for i in range(2)
        )
        with torch.no_grad():
            points = self.space.to(hostile), self.space.to(clean)
        with self.accelerator.autocast():
            return self.objective(self.network, *points, generator)

    def _guide(self, pairs: Sequence[Pair], generator: torch.Generator) -> Tensor:
        """On whole pictures, purified in the one step that is taken first."""
        assert self.guide is not None
        walk, purified = self._walk(self.network), list[Tensor]()
        for pair in pairs:
            seen = to_float(pair.hostile).to(self.accelerator.device)
            purified.append(walk(seen, int(torch.randint(1 << 31, (), generator=generator))))
        return self.guide(pairs, purified, self.step)

    def _walk(self, network: Network) -> Walk:
        """Through the one step that is taken first."""
        sampler = Flowing(1, self.settings.noise)
        purifier = Purifier(Card(kind="flow"), network, self.space)

        def walk(seen: Tensor, seed: int) -> Tensor:
            points = self.space.to(seen[None])
            with self.accelerator.autocast():
                after = sampler.run(purifier, points, [seed])
            return self.space.back(seen[None], points, after.float())[0].clamp(0, 1)

        return walk

    def _pace(self, step: int) -> float:
        """A tenth of the steps up, the rest down a cosine to a hundredth."""
        steps = self.settings.steps
        rise = max(1, steps // 10)
        if step < rise:
            return (step + 1) / rise
        return 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * (step - rise) / max(1, steps - rise)))

    def _note(self, parts: dict[str, float]) -> None:
        if not self.accelerator.is_main_process:
            return
        if self.tensorboard:
            self.accelerator.log(parts, step=self.step)
        with (self.out / "curve.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps({"step": self.step, **parts}) + "\n")

    def _save(self) -> None:
        fresh, kept = self.out / "checkpoint.new", self.out / "checkpoint"
        shutil.rmtree(fresh, ignore_errors=True)
        self.accelerator.save_state(str(fresh))
        if self.accelerator.is_main_process:
            said = {"step": self.step, "settings": self._said()}
            (fresh / "run.json").write_text(json.dumps(said), encoding="utf-8")
            shutil.rmtree(kept, ignore_errors=True)
            fresh.rename(kept)
            files.replace(
                self.out / f"preview-{self.step:06d}.png",
                sheet(self.pairs.round(0)[:6], self.purifier()),
            )

    def _resume(self) -> None:
        self.out.mkdir(parents=True, exist_ok=True)
        kept, curve = self.out / "checkpoint", self.out / "curve.jsonl"
        if not kept.is_dir():
            curve.unlink(missing_ok=True)
            return
        said = json.loads((kept / "run.json").read_text(encoding="utf-8"))
        if said["settings"] != self._said():
            different = [k for k, v in self._said().items() if said["settings"].get(k) != v]
            raise StoreError(
                f"{self.out} was begun with other settings ({', '.join(different)}); choose "
                "another --out, or begin anew with --fresh"
            )
        self.accelerator.load_state(str(kept))
        self.step = int(said["step"])
        lines = (
            curve.read_text(encoding="utf-8").splitlines(keepends=True) if curve.exists() else []
        )
        files.replace(curve, "".join(lines[: self.step]).encode())

    def _said(self) -> dict[str, Any]:
        """As JSON gives it back."""
        parts: dict[str, Any] = {
            **asdict(self.settings),
            "mix": asdict(self.pairs.mix),
            "benchmarks": [*self.pairs.benchmarks],
            "round": self.pairs.size,
            "models": [model.name for model in self.pairs.models],
            **self._beside(),
        }
        return json.loads(json.dumps(parts))

    def _beside(self) -> dict[str, Any]:
        guide, policy = self.guide, self.policy
        return {"guide": guide.said if guide else None, "policy": policy.said if policy else None}


def _learning(network: Network) -> list[torch.nn.Parameter]:
    return [weight for weight in network.parameters() if weight.requires_grad]
