"""`choose`: of several defences the one that a query needs, by signals that cost little.

The signals are where an encoder places picture and request, and, if the policy was fitted with
them, a purifier's alarm and whether two noisy views are answered alike (VALD's order, 2602.19570:
what is cheap first). For each option a logistic curve says how likely it is to go wrong; what goes
wrong and what a model answer costs are weighed as the policy says. `sallet calibrate` fits it on a
split that nothing is reported of. There is no statistical guarantee yet.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor

from sallet.core.compose import Stack
from sallet.core.errors import ModelError, RecipeError, UnknownName
from sallet.core.protocols import Defense, Gradient, Via
from sallet.core.query import Answer, Query
from sallet.core.seeds import derive
from sallet.defenses.embedders import WORDS, Embedder
from sallet.defenses.pool import Placing, weights_of
from sallet.defenses.views import noisy
from sallet.defenses.wordings import digest

FORMAT = 1
VIEWS = 2
VIEW_NOISE = 0.1


@dataclass(frozen=True)
class Curve:
    """How likely an option is to go wrong: a logistic curve of the signals; `passes` are the model
    answers that it took, on average."""

    option: str
    weights: tuple[float, ...]
    bias: float
    passes: float

    def wrong(self, signals: Tensor) -> Tensor:
        """The probability."""
        weights = torch.tensor(self.weights, device=signals.device)
        return torch.sigmoid(signals @ weights + self.bias)


@dataclass(frozen=True)
class Policy:
    """The options, cheapest first, and what was fitted of them. `price` is what one more model
    answer may cost in probability of going wrong."""

    encoder: str
    weights: str
    curves: tuple[Curve, ...]
    price: float
    views: bool = False
    purifier: str = ""
    fitted: str = ""
    format: int = FORMAT

    def save(self, path: Path) -> None:
        """Writes the file."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(asdict(self)) + "\n", encoding="utf-8")

    @property
    def digest(self) -> str:
        """Of all of it."""
        return digest(json.dumps(asdict(self), sort_keys=True))

    def costs(self, signals: Tensor) -> list[Tensor]:
        """What each option is expected to cost."""
        return [curve.wrong(signals) + self.price * curve.passes for curve in self.curves]


@dataclass(frozen=True)
class Chosen:
    """Every step from one option to the next, dearer one is taken by `via.decide`: an attacker may
    aim at each."""

    policy: Policy
    options: tuple[Defense, ...]
    name: ClassVar[str] = "choose"

    def __post_init__(self) -> None:
        named = [curve.option for curve in self.policy.curves]
        built = [option.name for option in self.options]
        if named != built or not built:
            raise RecipeError(f"this policy chooses among {named}; it was given {built}")

    @property
    def gradient(self) -> Gradient:
        """The weakest of its options'."""
        return Stack(*self.options).gradient

    @property
    def stochastic(self) -> bool:
        """Where an option is, or the views are."""
        return self.policy.views or any(option.stochastic for option in self.options)

    @property
    def digest(self) -> str:
        """Of the policy, and of what the options say."""
        layers = [one for option in self.options for one in getattr(option, "layers", (option,))]
        return digest(self.policy.digest, *(str(getattr(one, "digest", "")) for one in layers))

    async def guard(self, query: Query, via: Via) -> Query | Answer:
        costs = self.policy.costs(await signals(self.policy, query, via))
        for number, option in enumerate(self.options[:-1]):
            others = torch.stack(costs[number + 1 :]).min()
            if not await via.decide(costs[number] - others):
                return await option.guard(query, via)
        return await self.options[-1].guard(query, via)


async def signals(policy: Policy, query: Query, via: Via) -> Tensor:
    """What the policy looks at, as one row."""
    (place,) = await via.batch(Placing(policy.encoder), [query])
    found = [place]
    if policy.purifier:
        found.append(torch.stack([await _alarm(policy.purifier, query, via)]))
    if policy.views:
        found.append(torch.tensor([await _disagreement(query, via)], device=place.device))
    return torch.cat(found)


async def _alarm(folder: str, query: Query, via: Via) -> Tensor:
    """How far a purifier would move the most suspicious picture."""
    from sallet.defenses.purify import CoDefend
    from sallet.purifiers.run import Begin

    if not query.images:
        return torch.tensor(0.0)
    worker = Begin(folder, CoDefend(folder).sampler, "cpu")
    begun = await via.batch(worker, query.seeded_images())
    return torch.stack([torch.as_tensor(one.alarm) for one in begun]).max()


async def _disagreement(query: Query, via: Via) -> float:
    """How unlike the answers to two noisy views are."""
    own = query.with_defense_seed(derive(query.defense_seed, "two views"))
    answers = await via.ask(*(noisy(own.fork(i), VIEW_NOISE) for i in range(VIEWS)))
    one, other = await via.batch(Embedder(WORDS), [answer.text for answer in answers])
    return float(1 - one @ other)


def read(name: str) -> Policy:
    """A shipped policy, or a file that `sallet calibrate` wrote; its encoder is checked."""
    policy = _parsed(str(_found(name)))
    if weights_of(policy.encoder) != policy.weights:
        raise RecipeError(
            f"the policy {name} was fitted with other weights of {policy.encoder}; fit it again"
        )
    return policy


def _found(name: str) -> Any:
    if name.endswith(".json"):
        path = Path(name).expanduser()
        if not path.is_file():
            raise RecipeError(f"there is no policy {path}; `sallet calibrate` writes one")
        return path
    folder = files("sallet.defenses").joinpath("policies")
    shipped = {f.name.removesuffix(".json"): f for f in folder.iterdir() if ".json" in f.name}
    if name not in shipped:
        raise UnknownName("policy of choose", name, shipped)
    return shipped[name]


@lru_cache(8)
def _parsed(path: str) -> Policy:
    try:
        data = json.loads(Path(path).read_text(encoding="utf-8"))
        curves = tuple(
            Curve(**{**one, "weights": tuple(one["weights"])}) for one in data.pop("curves")
        )
        policy = Policy(**data, curves=curves)
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise ModelError(f"{path} is no policy: {error}; fit it again") from None
    if policy.format != FORMAT or not policy.curves:
        raise ModelError(f"{path} is empty or of another format than {FORMAT}; fit it again")
    return policy
