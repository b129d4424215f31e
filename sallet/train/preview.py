"""A sheet that shows what a purifier does: clean, hostile, purified, and both differences."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
from PIL import Image as Pil

from sallet.core.image import Image, Pixels, to_pixels
from sallet.core.query import Seeded
from sallet.purifiers.folder import Purifier
from sallet.purifiers.run import purified
from sallet.purifiers.samplers import Diffused, Flowing
from sallet.train.pairs import Pair

GAP = 6


def sheet(pairs: Sequence[Pair], purifier: Purifier) -> bytes:
    """A PNG with a row a pair; differences are eight times as large as they are."""
    card = purifier.card
    walk = Flowing(card.steps, card.noise) if card.kind == "flow" else Diffused(100, 10)
    made = purified(purifier, walk, [Seeded(Image(p.hostile), i) for i, p in enumerate(pairs)])
    rows = [_row(pair, to_pixels(one)) for pair, one in zip(pairs, made, strict=True)]
    width = max(row.shape[1] for row in rows)
    padded = [np.pad(row, ((0, GAP), (0, width - row.shape[1]), (0, 0))) for row in rows]
    file = io.BytesIO()
    Pil.fromarray(np.concatenate(padded)).save(file, "PNG")
    return file.getvalue()


def _row(pair: Pair, made: Pixels) -> Pixels:
    cells = (
        pair.clean, pair.hostile, made, _apart(pair.hostile, pair.clean), _apart(made, pair.clean)
    )  # fmt: skip
    return np.concatenate([np.pad(cell, ((0, 0), (0, GAP), (0, 0))) for cell in cells], axis=1)


def _apart(one: Pixels, other: Pixels) -> Pixels:
    change = one.astype(np.int16) - other.astype(np.int16)
    return (128 + 8 * change).clip(0, 255).astype(np.uint8)
