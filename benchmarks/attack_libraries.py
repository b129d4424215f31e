"""The libraries that `attack_speed.py` sets PGD beside, each given what it attacks: a classifier.

A library's clock is the times of its forward passes, and what it made is what it showed them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from sallet.core.goal import Goal
from sallet.core.image import Image
from sallet.core.protocols import trace
from sallet.core.query import Query


@dataclass
class Objective(nn.Module):
    """A classifier of two classes whose cross-entropy for class 0 is the model's own loss."""

    model: Any
    queries: Sequence[Query]
    goals: Sequence[Goal]
    times: list[float] = field(default_factory=list)
    aside: float = 0.0
    shown: list[Tensor] = field(default_factory=list)

    def __post_init__(self) -> None:
        nn.Module.__init__(self)
        self.anchor = nn.Parameter(torch.zeros(1), requires_grad=False)

    def __hash__(self) -> int:
        return id(self)

    def forward(self, seen: Tensor) -> Tensor:
        came = time.perf_counter()
        self.times.append(came - self.aside)
        self.shown.append((seen.detach() * 255).round().clamp(0, 255).byte())
        self.aside += time.perf_counter() - came  # what is noted for later is not on the clock
        shown = [q.with_images([Image(x)]) for q, x in zip(self.queries, seen, strict=True)]
        loss = trace(self.model, shown, self.goals).loss.clamp_min(1e-6)
        return torch.stack([-loss, torch.log(-torch.expm1(-loss))], 1)


Library = Callable[[Objective, Tensor, float, float, int], object]


def torchattacks(
    objective: Objective, clean: Tensor, eps: float, step: float, steps: int
) -> object:
    import torchattacks as library

    attack = library.PGD(objective, eps=eps, alpha=step, steps=steps, random_start=True)
    attack.set_mode_targeted_by_label(quiet=True)
    return attack(clean, torch.zeros(len(clean), dtype=torch.long))


def mifgsm(objective: Objective, clean: Tensor, eps: float, step: float, steps: int) -> object:
    """It begins at the clean picture, and knows no random start."""
    import torchattacks as library

    attack = library.MIFGSM(objective, eps=eps, alpha=step, steps=steps, decay=0.75)
    attack.set_mode_targeted_by_label(quiet=True)
    return attack(clean, torch.zeros(len(clean), dtype=torch.long))


def foolbox(objective: Objective, clean: Tensor, eps: float, step: float, steps: int) -> object:
    import foolbox as library

    attack = library.attacks.LinfPGD(abs_stepsize=step, steps=steps, random_start=True)
    model = library.PyTorchModel(objective, bounds=(0, 1))
    wanted = library.criteria.TargetedMisclassification(torch.zeros(len(clean), dtype=torch.long))
    return attack.run(model, clean, wanted, epsilon=eps)


def art(objective: Objective, clean: Tensor, eps: float, step: float, steps: int) -> object:
    from art.attacks.evasion import ProjectedGradientDescentPyTorch
    from art.estimators.classification import PyTorchClassifier

    shape = tuple(clean.shape[1:])
    model = PyTorchClassifier(
        objective, nn.CrossEntropyLoss(), input_shape=shape, nb_classes=2, clip_values=(0, 1),
        device_type="cpu",
    )  # fmt: skip
    attack = ProjectedGradientDescentPyTorch(
        model, eps=eps, eps_step=step, max_iter=steps, targeted=True, num_random_init=1,
        batch_size=len(clean), verbose=False,
    )  # fmt: skip
    wanted = torch.tensor([[1.0, 0.0]]).repeat(len(clean), 1).numpy()
    return attack.generate(clean.numpy(), y=wanted)


def plain(objective: Objective, clean: Tensor, eps: float, step: float, steps: int) -> object:
    """The loop that everybody writes first."""
    generator = torch.Generator().manual_seed(0)
    change = (torch.rand(clean.shape, generator=generator) * 2 - 1) * eps
    seen = (clean + change).clamp(0, 1)
    for _ in range(steps):
        seen.requires_grad_()
        loss = nn.functional.cross_entropy(
            objective(seen), torch.zeros(len(clean), dtype=torch.long), reduction="sum"
        )
        (gradient,) = torch.autograd.grad(loss, seen)
        moved = seen.detach() - step * gradient.sign()
        seen = (clean + (moved - clean).clamp(-eps, eps)).clamp(0, 1)
    return seen


LIBRARIES: dict[str, Library] = {
    "torchattacks": torchattacks, "mifgsm": mifgsm, "foolbox": foolbox, "art": art, "plain": plain,
}  # fmt: skip
