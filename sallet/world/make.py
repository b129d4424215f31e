"""What every make of model shares: its sizes, its special tokens, and how training reaches into it.

Each has a vision tower of four layers of 128 on 8 x 8 patches of 24 pixels, a
language tower of four layers of 192, and 64 image tokens.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Final, Literal, Protocol

from torch import Tensor, nn

from sallet.world.scenes import PATCH, SIDE

Name = Literal["llava", "qwen3vl", "internvl"]
GRID: Final = SIDE // PATCH
IMAGE_TOKENS: Final = GRID * GRID
WIDE: Final = 128
"""Width of every vision tower."""
TEXT: Final[dict[str, Any]] = {
    "hidden_size": 192, "intermediate_size": 448, "num_hidden_layers": 4,
    "num_attention_heads": 4, "num_key_value_heads": 4, "head_dim": 48,
    "max_position_embeddings": 1024, "tie_word_embeddings": True, "initializer_range": 0.04,
    "rms_norm_eps": 1e-5,
}  # fmt: skip


@dataclass(frozen=True)
class Marks:
    """The special tokens of a make: how a picture stands in the prompt."""

    image: str
    before: str = ""
    after: str = ""
    others: tuple[str, ...] = ()
    named: tuple[tuple[str, str], ...] = ()
    """What the processor asks its tokenizer for, and the token."""
    wraps: bool = False
    """Whether the processor itself writes what stands before and after a picture."""

    @property
    def all(self) -> tuple[str, ...]:
        """Every special token of this make."""
        return tuple(x for x in (self.image, self.before, self.after, *self.others) if x)

    @property
    def shown(self) -> str:
        """One picture as the chat template writes it."""
        return self.image if self.wraps else f"{self.before}{self.image}{self.after}"


class Make(Protocol):
    """How one class of model is built, and how training reaches into it."""

    name: ClassVar[Name]
    marks: ClassVar[Marks]
    grid: ClassVar[bool]
    """Whether image tokens lie on a grid of positions, or follow each other like words."""
    language_steps: ClassVar[int]
    """What the language stage takes until this make is as good as the others."""

    def processor(self, words: Any, template: str) -> Any:
        """The real processor around a tokenizer."""
        ...

    def untrained(self, words: Any) -> Any:
        """A whole model with random weights, from torch's global generator."""
        ...

    def tower(self) -> Any:
        """The vision tower alone, untrained."""
        ...

    def inside(self, model: Any) -> nn.Module:
        """The vision tower within a model."""
        ...

    def states(self, tower: Any, pixels: Tensor) -> Tensor:
        """What a tower makes of pictures ``[B,3,192,192]`` in [-1, 1]: ``[B,64,128]``."""
        ...

    def hidden(
        self, model: Any, tokens: Tensor, pixels: Tensor, sees: Tensor, positions: Tensor
    ) -> tuple[Tensor, Tensor]:
        """The language tower's last states ``[B,L,192]``, and the vision tower's.

        ``positions`` are as ``place`` gives them, ``[3,B,L]``; ``pixels`` holds the
        pictures of all rows in order.
        """
        ...


def ids_of(words: Any) -> dict[str, Any]:
    """What a language tower's config takes of a tokenizer."""
    return {
        "vocab_size": len(words),
        "pad_token_id": words.pad_token_id,
        "bos_token_id": words.bos_token_id,
        "eos_token_id": words.eos_token_id,
    }


def embedded(model: Any, tokens: Tensor, seen: Tensor) -> tuple[Tensor, Tensor]:
    """Token embeddings with the pictures' in their places, and where those are."""
    where = tokens == model.config.image_token_id
    words = model.get_input_embeddings()(tokens)
    return words.masked_scatter(where[..., None], seen.to(words.dtype)), where


def place(kinds: list[int], *, grid: bool) -> list[tuple[int, int, int]]:
    """Positions of tokens, 0 for text and 1 for a picture's.

    With ``grid`` a picture's lie on its grid and what follows goes on after its
    longer side; else all count on, one by one.
    """
    made: list[tuple[int, int, int]] = []
    now, k = 0, 0
    while k < len(kinds):
        if not grid or kinds[k] == 0:
            made.append((now, now, now))
            now, k = now + 1, k + 1
            continue
        made += [(now, now + r, now + c) for r in range(GRID) for c in range(GRID)]
        now, k = now + GRID, k + IMAGE_TOKENS
    return made
