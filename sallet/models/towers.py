"""`Tower`: an encoder of pictures and texts (CLIP, SigLIP) as a white box to attack from.

Feature matching (Zhao et al. 2023, AttackVLM): a picture is moved towards a text (MF-it) or a
picture of it (MF-ii), or away, in the encoder's space, in the hope that a model which answers sees
it there, too.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from functools import cache, cached_property, partial
from pathlib import Path
from typing import Any, Literal, TypeAlias, get_args

import torch
from torch import Tensor
from torch.nn import functional

from sallet.core.errors import InputError, ModelError, RecipeError, UsageError
from sallet.core.goal import Goal
from sallet.core.query import Answer, Failure, Query
from sallet.core.worded import Vocabulary
from sallet.models import embeddings, hub
from sallet.models.load import device_of
from sallet.models.pixels import Pixels

TEMPLATE = "{text}"
Toward: TypeAlias = Literal["text", "image"]


class Tower:
    """An encoder that gives gradients and no answers: a `source`, never a model to evaluate.

    `toward` is what of a goal is matched: its `text`, or its `image`. `template` puts a text in
    the words of a caption, such as "a picture of {text}". Parameters never require gradients;
    there is no dropout.
    """

    def __init__(
        self,
        model: Any,
        processor: Any,
        *,
        name: str,
        template: str = TEMPLATE,
        toward: Toward = "text",
    ) -> None:
        for method in ("get_image_features", "get_text_features"):
            if not hasattr(model, method):
                raise ModelError(
                    f"{name} is a {type(model).__name__}, without {method}; an encoder of pictures "
                    "and texts is needed, such as CLIPModel or SiglipModel"
                )
        if "{text}" not in template:
            raise RecipeError(f"template must hold {{text}}; it is {template!r}")
        if toward not in get_args(Toward):
            raise RecipeError(f"toward must be text or image; it is {toward!r}")
        self.name, self.template, self.toward = name, template, toward
        self._known: dict[str, Tensor] = {}
        self.model = model.eval().requires_grad_(False)
        self.tokenizer = processor.tokenizer
        self.device: torch.device = next(model.parameters()).device
        self.dtype: torch.dtype = next(model.parameters()).dtype
        accepted = inspect.signature(model.get_image_features).parameters
        self._pixels = Pixels(processor.image_processor, accepted, self.device)
        self._longest: int = model.config.text_config.max_position_embeddings
        # SigLIP was trained on texts padded to their full length, without a mask.
        full = str(model.config.model_type).startswith("siglip")
        self._padding = "max_length" if full else "longest"

    @classmethod
    def from_pretrained(
        cls,
        checkpoint: str | Path,
        *,
        name: str | None = None,
        device: str = "auto",
        template: str = TEMPLATE,
        toward: Toward = "text",
    ) -> Tower:
        """A folder or a hub name, in float32. Code from a checkpoint is never run."""
        from transformers import AutoModel, AutoProcessor

        fetched = hub.options(str(checkpoint))
        model = AutoModel.from_pretrained(
            checkpoint, dtype=torch.float32, **hub.of_weights(fetched)
        )
        processor = AutoProcessor.from_pretrained(checkpoint, **fetched)
        model = model.to(device_of(device))
        return cls(model, processor, name=name or str(checkpoint), template=template, toward=toward)

    def answer(self, queries: Sequence[Query]) -> list[Answer | Failure]:
        """A failure for each query, at no cost: an encoder cannot answer."""
        error = ModelError(
            f"{self.name} is an encoder and cannot answer; name it under sources, not under models"
        )
        return [Failure(error) for _ in queries]

    def loss(self, queries: Sequence[Query], goals: Sequence[Goal]) -> Tensor:
        """`[B]`: each goal's sign times the distance (1 - cosine) of its text, or image, from the
        picture.

        Of several pictures of a query, the mean. Differentiable to every picture's own pixels.
        """
        if len(queries) != len(goals):
            raise UsageError(f"{len(queries)} queries need as many goals; got {len(goals)}")
        if not queries:
            return torch.zeros(0, device=self.device)
        counts = [len(query.images) for query in queries]
        if 0 in counts:
            raise InputError(f"{self.name} looks at pictures, and a query has none")
        shown = self.embed_images([i.tensor() for query in queries for i in query.images])
        losses = [
            goal.sign * (1 - rows @ point).mean()
            for goal, rows, point in zip(
                goals, shown.split(counts), self._points(goals), strict=True
            )
        ]
        return torch.stack(losses)

    def choose(self, queries: Sequence[Query], texts: Sequence[str]) -> list[str]:
        """Of these texts the nearest to each query's picture: what it would retrieve for it."""
        with torch.no_grad():
            counts = [len(query.images) for query in queries]
            shown = self.embed_images([i.tensor() for query in queries for i in query.images])
            said = self.embed_texts([self.template.format(text=text) for text in texts])
            nearest = [(rows @ said.T).mean(0).argmax() for rows in shown.split(counts)]
        return [texts[int(i)] for i in nearest]

    @cached_property
    def lexicon(self) -> TowerWords:
        """The words that its texts may be made of."""
        return TowerWords(self.model.text_model, self.tokenizer)

    def _points(self, goals: Sequence[Goal]) -> Tensor:
        """Where each goal is in the encoder's space: embedded once, and alone, so that no company
        changes it."""
        return torch.stack([self._point(goal) for goal in goals])

    @torch.no_grad()
    def _point(self, goal: Goal) -> Tensor:
        shown = goal.image if self.toward == "image" else goal.text
        if shown is None:
            raise InputError(
                f"{self.name} is to match pictures, and the goal {goal.text!r} has none; give the "
                "goal an `image`, or match texts (toward: text)"
            )
        key = shown if isinstance(shown, str) else shown.digest
        if key not in self._known:
            if isinstance(shown, str):
                (self._known[key],) = self.embed_texts([self.template.format(text=shown)])
            else:
                (self._known[key],) = self.embed_images([shown.tensor()])
        return self._known[key]

    def embed_images(self, images: Sequence[Tensor]) -> Tensor:
        """Unit rows for `[3,h,w]` images: all uint8, or all floats in [0,1] with their graph."""
        return _unit(self.model.get_image_features(**self._pixels(images, self.dtype)))

    def embed_texts(self, texts: Sequence[str]) -> Tensor:
        """Unit rows; what is longer than the encoder reads is cut."""
        tokens = self.tokenizer(
            list(texts),
            padding=self._padding,
            truncation=True,
            max_length=self._longest,
            return_tensors="pt",
        )
        accepted = inspect.signature(self.model.get_text_features).parameters
        given = {k: v.to(self.device) for k, v in tokens.items() if k in accepted}
        return _unit(self.model.get_text_features(**given))


class TowerWords:
    """What can be typed to an encoder, and where it lies among its embeddings."""

    def __init__(self, model: Any, tokenizer: Any) -> None:
        self._model, self._tokenizer = model, tokenizer
        self._vocabulary = cache(partial(embeddings.vocabulary, model, tokenizer))

    def vocabulary(self) -> Vocabulary:
        """The tokens that somebody can type, and their vectors; worked out once."""
        return self._vocabulary()

    def embed(self, text: str) -> Tensor:
        """The vectors `[n, d]` of a text's tokens."""
        return embeddings.embed(self._model, self._tokenizer, text)


def _unit(features: Any) -> Tensor:
    """Older transformers give the tensor itself, newer ones an output that holds it."""
    rows: Tensor = features if isinstance(features, Tensor) else features.pooler_output
    return functional.normalize(rows.float(), dim=-1)
