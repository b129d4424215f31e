"""`HFModel`: any Hugging Face vision-language model, asked or differentiated.

What is answered is what a saved PNG gets: `answer` shows the model 8-bit pixels. `loss` follows
float pixels through the same preprocessing, at each image's own size.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from transformers import LogitsProcessorList, StoppingCriteriaList

from sallet.core.errors import NoGradient, UsageError
from sallet.core.goal import Goal
from sallet.core.pool import call
from sallet.core.protocols import Heard, Trace
from sallet.core.query import Answer, Failure, Query
from sallet.models.batch import IGNORED, Batch, assemble
from sallet.models.decode import Decoding, EndRows, GumbelRows, Row, read
from sallet.models.gradient import check_gradient, no_gradient
from sallet.models.load import Dtype, Quantization, Settings, load
from sallet.models.once import each_once, repeats, tower_of
from sallet.models.patches import as_products
from sallet.models.pixels import Pixels
from sallet.models.prepare import Prepared, Preparer, weight
from sallet.models.presets import resolve
from sallet.models.prompt import Prompter, Turns, turns_of
from sallet.models.recompute import recomputing, recomputing_layers
from sallet.models.words import HFWords

MAX_PIXELS = 100_000_000
_HALVES = (torch.float16, torch.bfloat16)


class HFModel:
    """A vision-language model of `AutoModelForImageTextToText`, black-box and white-box.

    Answers are the same for a query alone and in any batch (float32: token for token; in half
    precision up to rounding). Parameters never require gradients; there is no dropout.

    `quirks` lists what was changed for the checkpoint's sake; `decoding` what it asked for.
    """

    def __init__(
        self,
        model: Any,
        processor: Any,
        *,
        name: str,
        max_batch: int = 32,
        loss_dtype: torch.dtype | None = None,
        end_of_turn: bool = False,
        checkpointing: bool = False,
        max_pixels: int = MAX_PIXELS,
    ) -> None:
        self.name, self.model, self.processor = name, model, processor
        self.max_batch = max_batch
        self.loss_dtype, self.end_of_turn = loss_dtype, end_of_turn
        self.device: torch.device = model.get_input_embeddings().weight.device
        self.dtype: torch.dtype = model.dtype
        self.decoding = Decoding.of(model, processor.tokenizer)
        model.generation_config = self.decoding.config()
        text = model.config.get_text_config()
        self.context: int | None = getattr(text, "max_position_embeddings", None)
        self.accepted = frozenset(inspect.signature(model.forward).parameters)
        self._pixels = Pixels(processor.image_processor, self.accepted, self.device)
        self._prompter = Prompter(processor, self._pixels, self.decoding.eos)
        self._prepare = Preparer(self._prompter, max_pixels=max_pixels, context=self.context)
        # Families with rotary positions in three dimensions count for themselves.
        counts = hasattr(model.model, "get_rope_index")
        self._positions = "position_ids" in self.accepted and not counts
        self._keeps = "logits_to_keep" in self.accepted
        self._tower = tower_of(model)
        if self.device.type == "cpu":
            as_products(model)
        self._checkpointed = recomputing_layers(model) if checkpointing else []
        self._assembled = lru_cache(8)(self._assemble)
        self.words = HFWords(model, processor.tokenizer, self._prompter)
        self.quirks = self._quirks()

    @classmethod
    def from_pretrained(
        cls,
        name_or_path: str | Path,
        *,
        device: str = "auto",
        dtype: Dtype = "auto",
        quantization: Quantization = None,
        max_batch: int = 32,
        device_map: Any = None,
        name: str | None = None,
        attention: str | None = None,
        loss_dtype: torch.dtype | None = None,
        end_of_turn: bool = False,
        checkpointing: bool = False,
        max_pixels: int = MAX_PIXELS,
    ) -> HFModel:
        """A preset's name, a hub name, or a folder. Code from a checkpoint is never run.

        `loss_dtype` is the autocast dtype of `loss` alone (bfloat16 is several times faster on
        CPUs with AMX). `end_of_turn` makes a goal's text end the turn. `checkpointing` trades
        time for memory in `loss`.
        """
        source = resolve(str(name_or_path))
        settings = Settings(device, dtype, quantization, device_map, attention)
        model, processor = load(source, settings)
        return cls(
            model,
            processor,
            name=name or Path(str(name_or_path)).name,
            max_batch=max_batch,
            loss_dtype=loss_dtype,
            end_of_turn=end_of_turn,
            checkpointing=checkpointing,
            max_pixels=max_pixels,
        )

    def answer(self, queries: Sequence[Query]) -> list[Answer | Failure]:
        """One answer or failure for each query, in order; a failure costs only its own query."""
        results: dict[int, Answer | Failure] = {}
        order = sorted(range(len(queries)), key=lambda i: weight(queries[i]))
        for start in range(0, len(order), self.max_batch):
            ready: list[tuple[int, Prepared]] = []
            for i in order[start : start + self.max_batch]:
                try:
                    ready.append((i, self._prepare(queries[i], exact=True)))
                except Exception as error:
                    results[i] = Failure(error)
            answers = call(self._generate, [row for _, row in ready]) if ready else []
            results |= {i: one for (i, _), one in zip(ready, answers, strict=True)}
        return [results[i] for i in range(len(queries))]

    def loss(self, queries: Sequence[Query], goals: Sequence[Goal]) -> Tensor:
        """`[B]`: each goal's sign times the mean cross-entropy of its text's tokens.

        Differentiable to every image's own pixels. Only the text's tokens count, and the end of
        the turn where `end_of_turn` says so.
        """
        return self.trace(queries, goals).loss

    def trace(self, queries: Sequence[Query], goals: Sequence[Goal]) -> Trace:
        """The loss, and whether each goal's text is what the model would now choose to say."""
        check_gradient(self.model, self.name)
        return self._trace(queries, goals, exact=False)

    def nudged(
        self, queries: Sequence[Query], goals: Sequence[Goal], words: str, nudge: Tensor
    ) -> Trace:
        """The trace if the vectors of `words`' n tokens were moved by `nudge` `[n, d]`."""
        check_gradient(self.model, self.name)
        return self._trace(queries, goals, exact=False, nudge=(words, nudge))

    def score(self, queries: Sequence[Query], goals: Sequence[Goal]) -> list[Heard]:
        """Mean log-probabilities of the goals' tokens after 8-bit pixels, in any format."""
        pairs = list(zip(queries, goals, strict=True))
        parts = [pairs[i : i + self.max_batch] for i in range(0, len(pairs), self.max_batch)]
        heard = [one for part in parts for one in call(self._heard, part)]
        return [Heard(None, answer=one) if isinstance(one, Failure) else one for one in heard]

    @torch.no_grad()
    def _heard(self, pairs: Sequence[tuple[Query, Goal]]) -> list[Heard]:
        goals = [goal for _, goal in pairs]
        seen = self._trace([query for query, _ in pairs], goals, exact=True)
        losses = seen.loss.float().cpu().tolist()
        return [
            Heard(-goal.sign * loss, says)
            for goal, loss, says in zip(goals, losses, seen.says, strict=True)
        ]

    def _trace(
        self,
        queries: Sequence[Query],
        goals: Sequence[Goal],
        *,
        exact: bool,
        nudge: tuple[str, Tensor] | None = None,
    ) -> Trace:
        if len(queries) != len(goals):
            raise UsageError(f"{len(queries)} queries need as many goals; got {len(goals)}")
        if not queries:
            return Trace(torch.zeros(0, device=self.device), ())
        rows = [self._prepare(query, exact=exact) for query in queries]
        batch = self._assembled(
            tuple((row.turns, goal.text) for row, goal in zip(rows, goals, strict=True))
        )
        self._prepare.check_length(batch.width)
        with self.words.moved(batch, rows, *nudge) if nudge else nullcontext():
            logits = self._logits(batch, rows, keep=batch.labels.shape[1] + 1)[:, :-1]
        if logits.dtype in _HALVES:
            logits = logits.float()
        entropy = functional.cross_entropy(
            logits.flatten(0, 1), batch.labels.flatten(), ignore_index=IGNORED, reduction="none"
        )
        mean = entropy.view_as(batch.labels).sum(1) / batch.lengths
        if nudge:
            mean = mean + 0 * nudge[1].sum()  # a graph even where none of the words is found
        wanted = any(image.requires_grad for row in rows for image in row.images)
        if torch.is_grad_enabled() and wanted and not mean.requires_grad:
            raise NoGradient(no_gradient(self.name))
        says = (logits.detach().argmax(-1) == batch.labels) | (batch.labels == IGNORED)
        signs = torch.tensor([goal.sign for goal in goals], device=mean.device)
        return Trace(mean * signs, tuple(says.all(1).tolist()))

    def image_inputs(self, images: Sequence[Tensor]) -> dict[str, Tensor]:
        """What the model is fed for `[3,h,w]` images: uint8, or floats in [0,1] with a graph."""
        return self._pixels(images, self.dtype) if images else {}

    def render(self, query: Query) -> str:
        """The prompt as text, with one placeholder for each image."""
        return self._prompter.render(turns_of(query, [image.size for image in query.images]))

    def target_ids(self, query: Query, text: str) -> list[int]:
        """The tokens that `loss` counts when a goal says `text` to this query."""
        turns = self._prepare(query, exact=False).turns
        return self._prompter.target(turns, text, self.end_of_turn).tolist()

    @torch.no_grad()
    def predicted(self, query: Query, text: str) -> list[int]:
        """The model's own choice at each of those tokens; all equal where it would say `text`."""
        row = self._prepare(query, exact=True)
        batch = self._assembled(((row.turns, text),))
        logits = self._logits(batch, [row], keep=batch.labels.shape[1] + 1)
        return logits[0, :-1].argmax(-1).tolist()

    def _generate(self, rows: list[Prepared]) -> list[Answer]:
        prompts = [row.prompt for row in rows]
        batch = assemble(prompts, None, pad=self.decoding.pad, device=self.device, positions=False)
        plans = [
            Row.of(row.query, len(prompt.ids), self.context)
            for row, prompt in zip(rows, prompts, strict=True)
        ]
        tokenizer = self.processor.tokenizer
        sampled = any(plan.temperature > 0 for plan in plans)
        with torch.no_grad():
            made = self.model.generate(
                **batch.inputs,
                **self._image_inputs(rows),
                generation_config=self.decoding.config(max(plan.budget for plan in plans)),
                logits_processor=LogitsProcessorList([GumbelRows(plans)] if sampled else []),
                stopping_criteria=StoppingCriteriaList([EndRows(plans, batch.width, tokenizer)]),
            )[:, batch.width :]
        return [
            read(ids, plan, self.decoding, tokenizer) for ids, plan in zip(made, plans, strict=True)
        ]

    def _logits(self, batch: Batch, rows: Sequence[Prepared], *, keep: int) -> Tensor:
        shown, once = self._shown([image for row in rows for image in row.images])
        inputs: dict[str, Any] = {**batch.inputs, **shown, "use_cache": False}
        if self._keeps:
            inputs["logits_to_keep"] = keep
        with self._autocast(), recomputing(self._checkpointed), once:
            logits: Tensor = self.model(**inputs).logits
        return logits[:, -keep:]

    def _shown(
        self, images: Sequence[Tensor]
    ) -> tuple[dict[str, Tensor], AbstractContextManager[Any]]:
        """The image inputs, and what makes the tower see each different picture once."""
        repeated = repeats(images) if self._tower is not None else None
        if repeated is None or self._tower is None:
            return self.image_inputs(images), nullcontext()
        shown = self.image_inputs(repeated.images)
        if not repeated.fits(shown.values()):
            return self.image_inputs(images), nullcontext()
        again = {key: repeated.repeat(value) for key, value in shown.items()}
        return again, each_once(self._tower, repeated)

    def _autocast(self) -> AbstractContextManager[Any]:
        if self.loss_dtype is None:
            return nullcontext()
        return torch.autocast(self.device.type, self.loss_dtype)

    def _image_inputs(self, rows: Sequence[Prepared]) -> dict[str, Tensor]:
        return self.image_inputs([image for row in rows for image in row.images])

    def _assemble(self, rows: tuple[tuple[Turns, str], ...]) -> Batch:
        return assemble(
            [self._prompter.prompt(turns) for turns, _ in rows],
            [self._prompter.target(turns, text, self.end_of_turn) for turns, text in rows],
            pad=self.decoding.pad,
            device=self.device,
            positions=self._positions,
        )

    def _quirks(self) -> tuple[str, ...]:
        found: list[str] = []
        if self._prompter.merges_system:
            found.append("no system role: system text is put before the first user turn")
        if self.decoding.overridden:
            names = ", ".join(f"{k}={v}" for k, v in sorted(self.decoding.overridden.items()))
            found.append(f"generation defaults replaced by each query's sampling: {names}")
        return tuple(found)
