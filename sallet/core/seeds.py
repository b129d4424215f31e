"""Two seeds, never mixed: `sampling_seed` is the client's, `defense_seed` is ours.

Every random stage derives its own seed from the one it is given and a label, so that a stage
added elsewhere shifts nobody's noise, and a pooled batch draws the same noise as one by one.
"""

from __future__ import annotations

import hashlib
import secrets


def derive(seed: int, *labels: str | int) -> int:
    """A 63-bit seed that depends on `seed` and every label, the same on every machine."""
    text = "\x1f".join([str(seed), *(f"{type(label).__name__}:{label}" for label in labels)])
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big") >> 1


def fresh() -> int:
    """A seed from the system's CSPRNG: what a live request gets, whatever the client says."""
    return secrets.randbits(63)
