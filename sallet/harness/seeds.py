"""Who draws which randomness: the attacker's is never the evaluation's, nor the clean pass's."""

from __future__ import annotations

from sallet.core.seeds import derive


def evaluation(seed: int, benchmark: str, sample: str, resubmission: int) -> int:
    """The defence seed that an answer is judged on; held out from every attacker."""
    return derive(seed, "evaluate", benchmark, sample, resubmission)


def clean(seed: int, benchmark: str, sample: str, vote: int) -> int:
    """The defence seed of one of the votes that say whether a sample is answered right."""
    return derive(seed, "clean", benchmark, sample, vote)


def fixed(seed: int) -> int:
    """The one defence seed of the fixed-seed mode: the evaluation's, and known to the attacker."""
    return derive(seed, "fixed")


def attacker(seed: int, benchmark: str, sample: str) -> int:
    """The defence seed that an attacker starts from."""
    return derive(seed, "attack", benchmark, sample)


def attack(seed: int, benchmark: str) -> int:
    """The attack's own seed; attacks draw each sample's random start from it and the sample, so
    that a shorter or otherwise batched run starts where the longer one did."""
    return derive(seed, "attack", benchmark, "start")
