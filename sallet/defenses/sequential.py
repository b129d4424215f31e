"""When enough copies were asked: a vote that the rest can hardly turn is not asked to its end.

After Hernandez-Lobato et al. (2009, instance-based pruning of ensembles). Copies agree with the
leading answer with some probability; every probability is as likely beforehand. What was asked then
says how probable it is that all `copies` would not have given the leader more than half of them.
"""

from __future__ import annotations

from functools import lru_cache
from math import comb


@lru_cache(maxsize=65_536)
def risk(lead: int, asked: int, copies: int) -> float:
    """The probability that the leader of `asked` would end with no more than half of `copies`.

    All other answers count as one rival, so with several of them it is an upper bound.
    """
    left, missing = copies - asked, copies // 2 + 1 - lead
    ways = sum(
        comb(lead + more, more) * comb(asked - lead + left - more, left - more)
        for more in range(min(missing, left + 1))
    )
    return ways / comb(asked + left + 1, left)


@lru_cache(maxsize=65_536)
def needed(lead: int, asked: int, copies: int, error: float) -> int:
    """How many more copies, all agreeing with the leader, would settle it; all that are left if
    none would."""
    left = copies - asked
    for more in range(1, left):
        if risk(lead + more, asked + more, copies) <= error:
            return more
    return left


def settled(lead: int, asked: int, copies: int, error: float) -> bool:
    """Whether nothing more is to be asked. An `error` of 0 asks until nothing can change."""
    return asked >= copies or risk(lead, asked, copies) <= error
