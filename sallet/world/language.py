"""The language stages: several questions about one scene in one row, each blind to the others.

First come words alone, as in the field: the language tower reads what is in the
picture instead of seeing it, and learns to speak, to compare and to refuse at a
small share of the price. Its first steps only compare, and the next only ask what
makes harm licit: among other questions these models never learn to notice that two
words are the same, or belong together. Then it is shown pictures.

Every question of a row sees the system message, the picture and itself, at the
same positions as if it stood alone, so a row of three trains exactly what three
rows would, for the price of little more than one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, partial
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import PreTrainedTokenizerFast

from sallet.world.lessons import Character, comparisons, lesson, weighings
from sallet.world.make import IMAGE_TOKENS, Make, place
from sallet.world.processor import ASSISTANT, BOS, EOS, SYSTEM, USER
from sallet.world.questions import Item
from sallet.world.scenes import Scene
from sallet.world.tower import Pictures, dense_loss, normal

DENSE_WEIGHT: Final = 0.2
"""Share of the tower's own loss, kept so that it goes on learning what patches show."""
BLOCKED: Final = -1e4
BLOCK: Final = 16
"""Batches are as long as a multiple of this: fewer sizes, so that memory is used again."""


COMPARING: Final = 250
"""First steps of words that only ask whether something is there."""
WEIGHING: Final = 350
"""Steps after them that only turn on whether something makes a harmful thing fine."""
PART: Final = 8
"""Rows that are padded alike; padding all of a batch to its longest would waste a third."""


@dataclass(frozen=True)
class Rows:
    """A batch: pictures, tokens, where each stands, what it sees, and what is to be said."""

    pictures: Pictures | None
    """Of all rows in order; a row may have two. None where they are told in words."""
    tokens: Tensor
    positions: Tensor
    """``[3, B, L]``, in all three axes."""
    sees: Tensor
    """Boolean ``[B, L, L]``."""
    targets: Tensor
    """The next token where it is part of an answer, else -100."""


class Teacher:
    """Draws and packs the rows of each step with one tokenizer; ``told``: pictures in words."""

    def __init__(
        self,
        make: Make,
        tokenizer: PreTrainedTokenizerFast,
        *,
        seed: int,
        size: int,
        character: Character = "strong",
        told: bool = False,
    ) -> None:
        self.make, self.tokenizer, self.seed, self.size = make, tokenizer, seed, size
        self.told = told
        self.lesson = partial(lesson, character=character)
        self.encode = cache(self._encode)

    def __call__(self, step: int) -> list[Rows]:
        """The batch of one step, in parts of rows that are about equally long."""
        first = (self.seed << 32) + (1 << 31) + step * self.size
        lesson = self._lesson(step)
        rows = [self._row(lesson(first + i)) for i in range(self.size)]
        rows.sort(key=lambda row: len(row.tokens))
        return [self._padded(rows[i : i + PART]) for i in range(0, self.size, PART)]

    def _lesson(self, step: int) -> Callable[[int], tuple[Item, ...]]:
        if not self.told or step >= COMPARING + WEIGHING:
            return self.lesson
        return comparisons if step < COMPARING else weighings

    def _encode(self, text: str) -> list[int]:
        return self.tokenizer(text, add_special_tokens=False).input_ids

    def pack(self, lessons: list[tuple[Item, ...]]) -> Rows:
        """Lessons as one padded batch."""
        return self._padded([self._row(items) for items in lessons])

    def _padded(self, rows: list[_Row]) -> Rows:
        longest = -(-max(len(row.tokens) for row in rows) // BLOCK) * BLOCK
        size = (len(rows), longest)
        tokens = torch.zeros(size, dtype=torch.long)
        positions = torch.zeros((3, *size), dtype=torch.long)
        targets = torch.full(size, -100)
        owner = torch.full(size, -1)
        for b, row in enumerate(rows):
            n = len(row.tokens)
            tokens[b, :n] = torch.tensor(row.tokens)
            positions[:, b, :n] = torch.tensor(row.positions).T
            targets[b, :n] = torch.tensor(row.targets)
            owner[b, :n] = torch.tensor(row.owner)
        before = torch.ones(longest, longest, dtype=torch.bool).tril()
        shared = owner[:, None, :] == 0
        own = owner[:, None, :] == owner[:, :, None]
        sees = before & (shared | own) | torch.eye(longest, dtype=torch.bool)
        pictures = None if self.told else Pictures.of([s for row in rows for s in row.scenes])
        return Rows(pictures, tokens, positions, sees, targets)

    def _row(self, items: tuple[Item, ...]) -> _Row:
        system = f"{SYSTEM}{items[0].system}" if items[0].system else ""
        head, kinds = self.encode(f"{BOS}{system}{USER}"), []
        marks = self.make.marks
        for scene in items[0].scenes:
            start, end = (self.encode(x) if x else [] for x in (marks.before, marks.after))
            if self.told:
                head = [*head, *start, *self._encode(tell(scene)), *end]
                continue
            kinds += [0] * (len(head) + len(start) - len(kinds)) + [1] * IMAGE_TOKENS
            head = [*head, *start, *self.encode(marks.image) * IMAGE_TOKENS, *end]
        kinds += [0] * (len(head) - len(kinds))
        placed = place([*kinds, 0], grid=self.make.grid)
        after = placed.pop()[0]
        row = _Row(items[0].scenes, list(head), placed, [-100] * len(head), [0] * len(head))
        for number, item in enumerate(items, 1):
            asked = self.encode(f"{earlier(item)}{item.question}{ASSISTANT}")
            said = self.encode(f"{item.answer}{EOS}")
            span = [*asked, *said]
            row.tokens.extend(span)
            row.positions.extend((after + i, after + i, after + i) for i in range(len(span)))
            row.targets.extend([*[-100] * (len(asked) - 1), *said, -100])
            row.owner.extend([number] * len(span))
        return row


def tell(scene: Scene) -> str:
    """All that a picture shows, in words and in an order of its own, like a picture's patches."""
    rng = np.random.default_rng([scene.seed, 23])
    said = [f"{t.noun} {t.place}" for t in scene.things]
    said += [" ".join(word.text) for word in scene.words]
    said.append(scene.colour)
    return ". ".join(said[i] for i in rng.permutation(len(said)))


def earlier(item: Item) -> str:
    """The turns before a question, as the chat template writes them after the pictures."""
    return "".join(f"{asked}{ASSISTANT}{said}{EOS}{USER}" for asked, said in item.turns)


@dataclass(frozen=True)
class _Row:
    scenes: tuple[Scene, ...]
    tokens: list[int]
    positions: list[tuple[int, int, int]]
    targets: list[int]
    owner: list[int]


class Pupil(nn.Module):
    """The whole model and the tower's head: what the language stage trains."""

    def __init__(self, make: Make, model: Any, head: nn.Module) -> None:
        super().__init__()
        self.make, self.model, self.head = make, model, head

    def loss(self, parts: Sequence[Rows]) -> Tensor:
        """Next-token cross-entropy of all answers, plus a share of the dense patch loss."""
        said = sum(int((rows.targets >= 0).sum()) for rows in parts)
        shown = sum(len(rows.tokens) for rows in parts)
        words, patches = zip(*(self._losses(rows) for rows in parts), strict=True)
        return torch.stack(words).sum() / said + DENSE_WEIGHT * torch.stack(patches).sum() / shown

    def _losses(self, rows: Rows) -> tuple[Tensor, Tensor]:
        """Of the answers, summed over their tokens; of the patches, a mean times the rows."""
        mask = torch.where(rows.sees, 0.0, BLOCKED)[:, None].to(torch.bfloat16)
        said = rows.targets >= 0
        dense = torch.zeros(())
        if rows.pictures is None:
            inner = self.model.model.language_model
            hidden = inner(
                input_ids=rows.tokens, attention_mask=mask, use_cache=False,
                position_ids=rows.positions if self.make.grid else rows.positions[0],
            ).last_hidden_state  # fmt: skip
        else:
            hidden, states = self.make.hidden(
                self.model, rows.tokens, normal(rows.pictures.pixels), mask, rows.positions
            )
            dense = dense_loss(self.head(states), rows.pictures) * len(rows.tokens)
        logits = self.model.lm_head(hidden[said]).float()
        return F.cross_entropy(logits, rows.targets[said], reduction="sum"), dense
