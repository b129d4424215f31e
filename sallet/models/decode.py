"""Decoding whose result for a query does not depend on who else is in the batch.

Temperature 0 is greedy. Otherwise each row adds Gumbel noise of its own to its log-probabilities
and takes the largest (the Gumbel-max trick: an exact sample), so pooled equals one by one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor
from transformers import GenerationConfig, LogitsProcessor, StoppingCriteria

from sallet.core.query import Answer, Query, Usage

_NOT_DECODING = {"transformers_version", "_from_model_config", "use_cache", "cache_implementation"}
_IDS = {"eos_token_id", "pad_token_id", "bos_token_id", "decoder_start_token_id"}


@dataclass(frozen=True)
class Decoding:
    """What the checkpoint says of decoding. `overridden` is what a query's settings replace."""

    eos: tuple[int, ...]
    pad: int
    overridden: Mapping[str, object]

    @classmethod
    def of(cls, model: Any, tokenizer: Any) -> Decoding:
        """Reads every EOS that the checkpoint names; its sampling is recorded and not used."""
        own: dict[str, Any] = model.generation_config.to_diff_dict()
        named = own.get("eos_token_id")
        several: list[int] = named if isinstance(named, list) else [] if named is None else [named]
        if tokenizer.eos_token_id is not None and tokenizer.eos_token_id not in several:
            several = [*several, tokenizer.eos_token_id]
        pads = (tokenizer.pad_token_id, own.get("pad_token_id"), *several, 0)
        pad = next(int(one) for one in pads if one is not None)
        rest = {k: v for k, v in own.items() if k not in _NOT_DECODING | _IDS and v is not False}
        return cls(tuple(int(one) for one in several), pad, MappingProxyType(rest))

    def config(self, max_new_tokens: int | None = None) -> GenerationConfig:
        """Greedy, with no penalty of any kind."""
        return GenerationConfig(
            do_sample=False,
            num_beams=1,
            repetition_penalty=1.0,
            max_new_tokens=max_new_tokens,
            eos_token_id=list(self.eos) or None,
            pad_token_id=self.pad,
        )


@dataclass(frozen=True)
class Row:
    """One query's decoding: its noise, how many tokens it may make, and where it stops."""

    temperature: float
    top_p: float
    seed: int
    budget: int
    stop: tuple[str, ...]
    prompt_tokens: int

    @classmethod
    def of(cls, query: Query, prompt_tokens: int, context: int | None) -> Row:
        """A query without a seed samples by its digest: the same query, the same sample."""
        sampling = query.sampling
        seed = sampling.seed
        if seed is None:
            seed = int(query.digest[:15], 16) if sampling.temperature > 0 else 0
        budget = max(1, sampling.max_tokens)
        if context is not None:
            budget = min(budget, context - prompt_tokens)
        return cls(sampling.temperature, sampling.top_p, seed, budget, sampling.stop, prompt_tokens)


class GumbelRows(LogitsProcessor):
    """Turns greedy search into one exact sample for each row that has a temperature."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self._rows = rows
        self._generators = [torch.Generator().manual_seed(row.seed % 2**63) for row in rows]

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        noisy = scores.clone()
        for i, (row, generator) in enumerate(zip(self._rows, self._generators, strict=True)):
            if row.temperature > 0:
                noisy[i] = _perturbed(scores[i], row, generator).to(scores.dtype)
        return noisy


def _perturbed(scores: Tensor, row: Row, generator: torch.Generator) -> Tensor:
    logp = (scores.float() / row.temperature).log_softmax(-1)
    if row.top_p < 1:
        ordered, order = logp.exp().sort(descending=True, stable=True)
        outside = ordered.cumsum(-1) - ordered >= row.top_p
        outside[0] = False
        logp = logp.index_fill(-1, order[outside], -torch.inf)
    uniform = torch.rand(logp.shape[-1], generator=generator, dtype=torch.float64)
    noise = -(-uniform.clamp_min(1e-300).log()).log()
    return logp + noise.to(logp.device, logp.dtype)


class EndRows(StoppingCriteria):
    """Ends each row at its own budget or stop string, whatever the others do."""

    def __init__(self, rows: Sequence[Row], start: int, tokenizer: Any) -> None:
        self._rows, self._start, self._tokenizer = rows, start, tokenizer

    def __call__(self, input_ids: Tensor, scores: Any, **kwargs: Any) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        made = input_ids.shape[1] - self._start
        ended = [
            made >= row.budget or bool(row.stop and _stop_at(self._text(ids), row.stop) is not None)
            for row, ids in zip(self._rows, input_ids, strict=True)
        ]
        return torch.tensor(ended, device=input_ids.device)

    def _text(self, ids: Tensor) -> str:
        return str(self._tokenizer.decode(ids[self._start :], skip_special_tokens=True))


def read(made: Tensor, row: Row, decoding: Decoding, tokenizer: Any) -> Answer:
    """The answer in one row of new tokens: cut at its EOS, its stop string, or its budget."""
    ids: list[int] = made[: row.budget].tolist()
    ends = [i for i, one in enumerate(ids) if one in decoding.eos]
    finish = "stop" if ends else "length"
    if ends:
        ids = ids[: ends[0] + 1]
    text = str(tokenizer.decode(ids, skip_special_tokens=True))
    at = _stop_at(text, row.stop)
    if at is not None:
        finish, text = "stop", text[:at]
        ids = _up_to_stop(ids, row.stop, tokenizer)
    reasoning, mark, rest = text.rpartition("</think>")
    thought = reasoning.replace("<think>", "").strip() if mark else None
    return Answer(
        (rest if mark else text).strip(),
        finish=finish,
        usage=Usage(row.prompt_tokens, len(ids)),
        reasoning=thought,
    )


def _stop_at(text: str, stops: Sequence[str]) -> int | None:
    places = [text.find(stop) for stop in stops if stop and stop in text]
    return min(places) if places else None


def _up_to_stop(ids: list[int], stops: Sequence[str], tokenizer: Any) -> list[int]:
    for n in range(1, len(ids)):
        if _stop_at(str(tokenizer.decode(ids[:n], skip_special_tokens=True)), stops) is not None:
            return ids[:n]
    return ids
