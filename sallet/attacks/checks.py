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
    "no-gradient": "a stage gives no gradient: only attacks that ask could look at the defence",
    "larger-eps-not-better": "a larger budget broke fewer samples: the attack is not at its best",
    "oblivious-beats-adaptive": "the attack that knew the defence did worse: trust the larger",
    "noise-nearly-as-good": "random noise of the same size did nearly as much",
    "black-box-beats-white-box": (
        "attacks that saw no gradient broke what those with one did not: the gradient is masked"
    ),
    "huge-eps-not-total": (
        "a budget that can hide the picture itself did not break nearly everything: something "
        "other than the defence's strength is in the way"
    ),
    "state-between-calls": (
        "the same query on the same defence seed was answered or weighed otherwise a second time: "
        "what an attack learns is not true at its next step"
    ),
    "fixed-seed": (
        "every answer was given on one defence seed that the attacker knew: a mode of its own, not "
        "to be set beside figures on seeds that were held out"
    ),
}


def cell_flags(
    hostiles: Sequence[Hostile], defense: Defense | None, attack: Attack
) -> tuple[str, ...]:
    """The flags of one cell; `defense` is what the attack looked through, if anything."""
    flags: list[str] = []
    gradients = [h.gradient for h in hostiles if h.gradient is not None]
    if any(g == 0 for g in gradients):
        flags.append("zero-gradient")
    losses = [  # of those that looked: by answers alone, a loss is level until it is won
        (h.start, h.end)
        for h in hostiles
        if h.looks > 1 and h.start is not None and h.end is not None
    ]
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
    if defense is not None and defense.gradient == "none":
        flags.append("no-gradient")
    return tuple(flags)
