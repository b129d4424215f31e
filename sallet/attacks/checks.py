"""Signs that an attack failed for a reason other than a good defence (gradient masking).

A flag is a fact printed beside a figure, never a correction of it.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

from sallet.core.protocols import Attack, Defense, Hostile

EXPLAINED = {
    "zero-gradient": "the gradient was zero for some samples: the attack was blind there",
    "loss-not-falling": "the loss did not fall in half of the samples: the descent did not work",
    "refused-always": "some samples were refused on every branch: no gradient leads through",
    "random-without-eot": "the defence is random and the attack averaged over no defence seeds",
    "straight-through": "a stage has no gradient: it was taken as the identity (BPDA)",
    "larger-eps-not-better": "a larger budget broke fewer samples: the attack is not at its best",
    "oblivious-beats-adaptive": "the attack that knew the defence did worse: trust the larger",
    "noise-nearly-as-good": "random noise of the same size did nearly as much",
}


def cell_flags(
    hostiles: Sequence[Hostile], defense: Defense | None, attack: Attack
) -> tuple[str, ...]:
    """The flags of one cell; `defense` is what the attack looked through, if anything."""
    flags: list[str] = []
    gradients = [h.gradient for h in hostiles if h.gradient is not None]
    if any(g == 0 for g in gradients):
        flags.append("zero-gradient")
    losses = [(h.start, h.end) for h in hostiles if h.start is not None and h.end is not None]
    if any(math.isinf(end) for _, end in losses):
        flags.append("refused-always")
    falls = [end - start for start, end in losses if math.isfinite(start) and math.isfinite(end)]
    if falls and statistics.median(falls) >= 0:
        flags.append("loss-not-falling")
    if defense is not None and gradients:
        if defense.stochastic and getattr(attack, "eot", None) == 1:
            flags.append("random-without-eot")
        if defense.gradient == "straight-through":
            flags.append("straight-through")
    return tuple(flags)
