"""What the operator hears."""

from __future__ import annotations

import multiprocessing
import sys


def say(text: str) -> None:
    """A line for the operator; one of several processes says which it is."""
    who = f"{multiprocessing.current_process().name}: " if multiprocessing.parent_process() else ""
    print(f"sallet: {who}{text}", file=sys.stderr, flush=True)
