"""`sallet train prefix`: a LoRA on a causal language model that writes a prefix for each request.

A supervised warm start teaches it a text that is known to help. Then policy gradient: what the
defended model does with a prefix is its reward, the other samples of a request are its baseline
(REINFORCE), with a KL to the base model and a penalty for over-refusal, after BlueSuffix.
"""

from __future__ import annotations

import json
import shutil
import warnings
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from sallet.core.errors import ModelError, RecipeError
from sallet.defenses.prefix import FILE, FORMAT, PROMPT
from sallet.train.cases import Case
from sallet.train.reward import Reward

Told = Callable[[int, int, str], None]


@dataclass(frozen=True, kw_only=True)
class Settings:
    """`warm` supervised steps, then `steps` of policy gradient on `batch` requests with `samples`
    prefixes each; `kl` weighs the distance to the base."""

    warm: int = 60
    steps: int = 40
    batch: int = 8
    samples: int = 4
    rate: float = 2e-3
    policy_rate: float = 5e-4
    kl: float = 0.001
    rank: int = 16
    tokens: int = 20
    seed: int = 0

    def __post_init__(self) -> None:
        if min(self.batch, self.rank, self.tokens) < 1 or min(self.warm, self.steps) < 0:
            raise RecipeError("batch, rank and tokens are at least 1, steps and warm at least 0")
        if self.samples < 2:
            raise RecipeError("samples is at least 2: one is the other's baseline")


@dataclass
class Training:
    """A base model, its tokenizer, and what has been learned so far."""

    base: Any
    tokenizer: Any
    settings: Settings = Settings()
    curve: list[dict[str, float]] = field(default_factory=list)

    def __post_init__(self) -> None:
        from peft import LoraConfig, get_peft_model

        torch.manual_seed(self.settings.seed)
        config = LoraConfig(
            r=self.settings.rank, lora_alpha=2 * self.settings.rank, target_modules="all-linear",
            task_type="CAUSAL_LM",
        )  # fmt: skip
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # peft's, of an old name
            self.model: Any = get_peft_model(self.base, config).eval()
        self.generator = torch.Generator().manual_seed(self.settings.seed)

    def warm(self, requests: Sequence[str], text: str, told: Told | None = None) -> list[float]:
        """Teaches it to write `text`; the loss of each step."""
        target = self._ids(f" {text}", special=False)[: self.settings.tokens - 1]
        target = torch.cat([target, torch.tensor([self.tokenizer.eos_token_id])])
        optimizer = self._optimizer(self.settings.rate)
        losses: list[float] = []
        for step in range(self.settings.warm):
            loss = torch.stack(
                [self._losses(self._prompt(one), target).mean() for one in self._draw(requests)]
            ).mean()
            _step(optimizer, loss)
            losses.append(float(loss.detach()))
            if told:
                told(step, self.settings.warm, f"warm start, loss {losses[-1]:.3f}")
        return losses

    def improve(
        self, cases: Sequence[Case], reward: Reward, told: Told | None = None
    ) -> list[float]:
        """Policy gradient; the mean reward of each step."""
        optimizer = self._optimizer(self.settings.policy_rate)
        found: list[float] = []
        for step in range(self.settings.steps):
            drawn = [case for case in self._draw(cases) for _ in range(self.settings.samples)]
            made = [self._sample(case.query.user_text) for case in drawn]
            got = torch.tensor(reward.of(drawn, [self.text(ids) for _, ids in made]))
            loss = self._policy_loss(made, got)
            _step(optimizer, loss)
            found.append(float(got.mean()))
            self.curve.append({"step": step, "reward": found[-1], "loss": float(loss.detach())})
            if told:
                told(step, self.settings.steps, f"policy gradient, reward {found[-1]:.3f}")
        return found

    def text(self, ids: Tensor) -> str:
        """What these tokens say."""
        return " ".join(self.tokenizer.decode(ids, skip_special_tokens=True).split())

    def save(self, folder: Path, made: dict[str, Any]) -> Path:
        """Base, adapter, and one file that says how they are used."""
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        self.model.save_pretrained(folder / "adapter")
        base = self.model.unload()
        base.save_pretrained(folder / "base")
        self.tokenizer.save_pretrained(folder / "base")
        card = {"kind": "generator", "format": FORMAT, "tokens": self.settings.tokens}
        whole = {**card, "trained": {**asdict(self.settings), **made}, "curve": self.curve}
        (folder / FILE).write_text(json.dumps(whole, indent=1) + "\n", encoding="utf-8")
        return folder

    def _policy_loss(self, made: Sequence[tuple[Tensor, Tensor]], got: Tensor) -> Tensor:
        k = self.settings.samples
        groups = got.view(-1, k)
        baseline = (groups.sum(1, keepdim=True) - groups) / (k - 1)
        advantages = (groups - baseline).flatten()
        losses: list[Tensor] = []
        for (prompt, ids), advantage in zip(made, advantages, strict=True):
            logp = -self._losses(prompt, ids)
            with torch.no_grad(), self.model.disable_adapter():
                base = -self._losses(prompt, ids)
            away = base - logp
            kl = (away.exp() - away - 1).mean()  # Schulman's estimator: never negative
            losses.append(-advantage * logp.sum() + self.settings.kl * kl)
        return torch.stack(losses).mean()

    def _losses(self, prompt: Tensor, target: Tensor) -> Tensor:
        """Of each token of the target."""
        whole = torch.cat([prompt, target])[None]
        logits = self.model(input_ids=whole, attention_mask=torch.ones_like(whole)).logits[0]
        return cross_entropy(logits[len(prompt) - 1 : -1], target, reduction="none")

    @torch.no_grad()
    def _sample(self, request: str) -> tuple[Tensor, Tensor]:
        prompt = self._prompt(request)
        made: list[int] = []
        past = None
        shown = prompt[None]
        for _ in range(self.settings.tokens):
            out = self.model(input_ids=shown, past_key_values=past, use_cache=True)
            past = out.past_key_values
            share = out.logits[0, -1].float().softmax(-1)
            made.append(int(torch.multinomial(share, 1, generator=self.generator)))
            shown = torch.tensor([[made[-1]]])
            if made[-1] == self.tokenizer.eos_token_id:
                break
        return prompt, torch.tensor(made)

    def _draw(self, things: Sequence[Any]) -> list[Any]:
        order = torch.randint(len(things), (self.settings.batch,), generator=self.generator)
        return [things[int(i)] for i in order]

    def _prompt(self, request: str) -> Tensor:
        return self._ids(PROMPT.format(request=request), special=True)

    def _ids(self, text: str, *, special: bool) -> Tensor:
        return self.tokenizer(text, add_special_tokens=special, return_tensors="pt").input_ids[0]

    def _optimizer(self, rate: float) -> torch.optim.Optimizer:
        parts = [one for one in self.model.parameters() if one.requires_grad]
        return torch.optim.AdamW(parts, lr=rate, weight_decay=0.0)


def tower(model: Any) -> tuple[Any, Any]:
    """A model's own language tower as a causal language model, and its tokenizer."""
    from transformers import AutoModelForCausalLM

    inner = model.model
    language = getattr(inner.model, "language_model", None)
    if language is None:
        raise ModelError(f"{model.name} has no language tower of a kind known here; give --base")
    try:
        whole: Any = AutoModelForCausalLM.from_config(language.config)
        whole.model.load_state_dict(language.state_dict())
        whole.lm_head.load_state_dict(inner.lm_head.state_dict())
    except (ValueError, RuntimeError, AttributeError) as error:
        raise ModelError(
            f"the tower of {model.name} is no causal model of its own ({error}); give --base"
        ) from error
    return whole.float(), model.processor.tokenizer


def _step(optimizer: torch.optim.Optimizer, loss: Tensor) -> None:
    optimizer.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_norm_([p for g in optimizer.param_groups for p in g["params"]], 1.0)
    optimizer.step()
