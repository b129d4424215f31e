"""CoDefend's second half (arXiv 2510.11096): a text before the request that the model is to hear.

One fixed text that a search found, or one that a small language model, tuned with LoRA, writes for
each request. Below a purifier in a stack it is what it was trained to be: `purifier+prefix`.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, ClassVar

import torch

from sallet.core.errors import ModelError, RecipeError, UnknownName
from sallet.core.protocols import Gradient, Via
from sallet.core.query import Answer, Query
from sallet.defenses import wordings

FILE = "prefix.json"
FORMAT = 1
PROMPT = "{request} :"
"""What the generator is shown; in words that every tokenizer knows."""


@dataclass(frozen=True)
class Prefix:
    """`source`: a shipped name, a .json file of `sallet train prefix --fixed`, or a folder with a
    generator of `sallet train prefix`. Greedy, so that one request always has one prefix."""

    source: str = "world"
    name: ClassVar[str] = "prefix"
    gradient: ClassVar[Gradient] = "full"
    stochastic: ClassVar[bool] = False

    def __post_init__(self) -> None:
        _ = self.fixed

    @property
    def fixed(self) -> str | None:
        """The one text; None where it is written for each request."""
        return _fixed(self.source)

    @property
    def digest(self) -> str:
        """Of the text, or of the generator's weights."""
        if self.fixed is not None:
            return wordings.digest(self.fixed)
        from sallet.purifiers.run import digest

        return digest(self.source)

    async def guard(self, query: Query, via: Via) -> Query | Answer:
        text = self.fixed
        if text is None:
            (text,) = await via.batch(Writer(self.source), [query.user_text])
        return query.with_text(before=text) if text else query


@dataclass(frozen=True)
class Writer:
    """A worker: requests to prefixes."""

    folder: str

    @property
    def name(self) -> str:
        """What its calls are counted under."""
        return f"prefix {self.folder}"

    def __call__(self, requests: Sequence[str]) -> list[str]:
        model, tokenizer, tokens = loaded(self.folder)
        return [write(model, tokenizer, request, tokens) for request in requests]


@torch.no_grad()
def write(model: Any, tokenizer: Any, request: str, tokens: int) -> str:
    """The likeliest prefix of at most so many tokens."""
    shown = tokenizer(PROMPT.format(request=request), return_tensors="pt").input_ids
    made = model.generate(
        input_ids=shown, attention_mask=torch.ones_like(shown), do_sample=False,
        max_new_tokens=tokens, pad_token_id=tokenizer.pad_token_id,
        eos_token_id=tokenizer.eos_token_id,
    )  # fmt: skip
    return " ".join(tokenizer.decode(made[0, shown.shape[1] :], skip_special_tokens=True).split())


@cache
def loaded(folder: str) -> tuple[Any, Any, int]:
    """The base model with its adapter, the tokenizer, and how long a prefix may be."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    try:
        from peft import PeftModel
    except ImportError as error:
        raise ModelError("a prefix generator needs peft: pip install 'sallet[train]'") from error
    root = Path(folder).expanduser()
    tokens = int(_card(root / FILE)["tokens"])
    base = AutoModelForCausalLM.from_pretrained(root / "base", dtype=torch.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # peft's, of an old name
        model = PeftModel.from_pretrained(base, root / "adapter").eval()
    return model, AutoTokenizer.from_pretrained(root / "base"), tokens


@cache
def _fixed(source: str) -> str | None:
    path = Path(source).expanduser()
    if source.endswith(".json"):
        return _text(_card(path), source)
    if path.is_dir():
        card = _card(path / FILE)
        if card.get("kind") != "generator":
            raise ModelError(f"{path} holds no generator; `sallet train prefix` writes one")
        return None
    folder = files("sallet.defenses").joinpath("prefixes")
    shipped = {f.name.removesuffix(".json"): f for f in folder.iterdir() if ".json" in f.name}
    if source not in shipped:
        raise UnknownName("prefix (or file or folder of one)", source, shipped)
    return _text(json.loads(shipped[source].read_text(encoding="utf-8")), source)


def _text(card: dict[str, Any], source: str) -> str:
    text = str(card.get("text", "")).strip()
    if not text:
        raise RecipeError(f"the prefix {source} is empty; `sallet train prefix` writes one")
    return text


def _card(path: Path) -> dict[str, Any]:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise RecipeError(f"there is no {path}; `sallet train prefix` writes one") from None
    except (OSError, ValueError) as error:
        raise ModelError(f"cannot read {path}: {error}; train it again") from None
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        raise ModelError(f"{path} is no prefix of format {FORMAT}; train it again")
    return data
