"""Projected gradient descent (Madry et al. 2018, eq. 1) with momentum (Dong et al. 2018, eq. 6)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from sallet.attacks.descent import Descent


@dataclass(frozen=True, kw_only=True)
class PGD(Descent):
    """L-inf or L2 PGD on the pixels at the image's own size.

    What it wants is the goal's: leave the right answer (untargeted), say a given one (targeted),
    or stop refusing (jailbreak). Handed a `Guarded` it differentiates through the defence, with
    fresh defence seeds at every step (EOT, Athalye et al. 2018) and straight through the stages
    that have no gradient (BPDA).
    """

    name: ClassVar[str] = "pgd"
