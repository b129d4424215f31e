"""The language stage: several questions about one picture in one row, each blind to the others.

Every question of a row sees the system message, the picture and itself, at the
same positions as if it stood alone, so a row of three trains exactly what three
rows would, for the price of little more than one.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import LlavaForConditionalGeneration, PreTrainedTokenizerFast

from sallet.world.lessons import lesson
from sallet.world.processor import ASSISTANT, BOS, EOS, IMAGE, SYSTEM, USER
from sallet.world.questions import Item
from sallet.world.render import GRID
from sallet.world.tower import Pictures, dense_loss, normal

IMAGE_TOKENS: Final = GRID * GRID
DENSE_WEIGHT: Final = 0.2
"""Share of the tower's own loss, kept so that it goes on learning what patches show."""
BLOCKED: Final = -1e4


@dataclass(frozen=True)
class Rows:
    """A batch: pictures, tokens, where each stands, what it sees, and what is to be said."""

    pictures: Pictures
    tokens: Tensor
    positions: Tensor
    sees: Tensor
    """Boolean ``[B, L, L]``."""
    targets: Tensor
    """The next token where it is part of an answer, else -100."""


class Teacher:
    """Draws and packs the rows of each step with one tokenizer."""

    def __init__(self, tokenizer: PreTrainedTokenizerFast, *, seed: int, size: int) -> None:
        self.tokenizer, self.seed, self.size = tokenizer, seed, size
        self.encode = cache(self._encode)

    def __call__(self, step: int) -> Rows:
        first = (self.seed << 32) + (1 << 31) + step * self.size
        return self.pack([lesson(first + i) for i in range(self.size)])

    def _encode(self, text: str) -> list[int]:
        return self.tokenizer(text, add_special_tokens=False).input_ids

    def pack(self, lessons: list[tuple[Item, ...]]) -> Rows:
        """Lessons as one padded batch."""
        rows = [self._row(items) for items in lessons]
        longest = max(len(row.tokens) for row in rows)
        size = (len(rows), longest)
        tokens, positions = torch.zeros(size, dtype=torch.long), torch.zeros(size, dtype=torch.long)
        targets = torch.full(size, -100)
        owner = torch.full(size, -1)
        for b, row in enumerate(rows):
            n = len(row.tokens)
            tokens[b, :n] = torch.tensor(row.tokens)
            positions[b, :n] = torch.tensor(row.positions)
            targets[b, :n] = torch.tensor(row.targets)
            owner[b, :n] = torch.tensor(row.owner)
        before = torch.ones(longest, longest, dtype=torch.bool).tril()
        shared = owner[:, None, :] == 0
        own = owner[:, None, :] == owner[:, :, None]
        sees = before & (shared | own) | torch.eye(longest, dtype=torch.bool)
        pictures = Pictures.of([items[0].scene for items in lessons])
        return Rows(pictures, tokens, positions, sees, targets)

    def _row(self, items: tuple[Item, ...]) -> _Row:
        system = f"{SYSTEM}{items[0].system}" if items[0].system else ""
        head = [*self.encode(f"{BOS}{system}{USER}"), *self.encode(IMAGE) * IMAGE_TOKENS]
        row = _Row(list(head), list(range(len(head))), [-100] * len(head), [0] * len(head))
        for number, item in enumerate(items, 1):
            asked, said = (
                self.encode(f"{item.question}{ASSISTANT}"),
                self.encode(f"{item.answer}{EOS}"),
            )
            span = [*asked, *said]
            row.tokens.extend(span)
            row.positions.extend(range(len(head), len(head) + len(span)))
            row.targets.extend([*[-100] * (len(asked) - 1), *said, -100])
            row.owner.extend([number] * len(span))
        return row


@dataclass(frozen=True)
class _Row:
    tokens: list[int]
    positions: list[int]
    targets: list[int]
    owner: list[int]


class Pupil(nn.Module):
    """The whole model and the tower's head: what the language stage trains."""

    def __init__(self, model: LlavaForConditionalGeneration, head: nn.Module) -> None:
        super().__init__()
        self.model, self.head = model, head

    def loss(self, rows: Rows) -> Tensor:
        """Next-token cross-entropy of the answers, plus a share of the dense patch loss."""
        inner = self.model.model
        states = inner.vision_tower(pixel_values=normal(rows.pictures.pixels)).last_hidden_state[
            :, 1:
        ]
        dense = dense_loss(self.head(states), rows.pictures.labels)
        seen = inner.multi_modal_projector(states)
        embedded = inner.language_model.get_input_embeddings()(rows.tokens)
        where = (rows.tokens == self.model.config.image_token_id)[..., None]
        embedded = embedded.masked_scatter(where, seen.to(embedded.dtype))
        mask = torch.where(rows.sees, 0.0, BLOCKED)[:, None].to(torch.bfloat16)
        hidden = inner.language_model(
            inputs_embeds=embedded,
            attention_mask=mask,
            position_ids=rows.positions,
            use_cache=False,
        ).last_hidden_state
        said = rows.targets >= 0
        logits = self.model.lm_head(hidden[said]).float()
        return F.cross_entropy(logits, rows.targets[said]) + DENSE_WEIGHT * dense
