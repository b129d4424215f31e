"""Where tables are drawn: the terminal, or a file."""

from __future__ import annotations

import sys

from rich.console import Console

WIDTH = 100  # of a table that goes into a file


def console() -> Console:
    """Standard output; names and answers are shown as they are, whatever brackets are in them."""
    width = None if sys.stdout.isatty() else WIDTH
    return Console(width=width, markup=False, emoji=False)
