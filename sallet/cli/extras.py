"""Which of Sallet's extras brings a module that is not there."""

from __future__ import annotations

import re
from importlib import metadata
from typing import Final

_OWN: Final = ("test", "check")  # of those who work on Sallet, never what a command asks for


def advice(module: str | None) -> str | None:
    """What to install, or None where no extra brings this module."""
    package = (module or "").partition(".")[0].replace("_", "-").lower()
    try:
        wanted = metadata.requires("sallet") or []
    except metadata.PackageNotFoundError:  # run from a folder that was never installed
        wanted = []
    for one in wanted:
        named = re.match(r"[A-Za-z0-9._-]+", one)
        extra = re.search(r"""extra == ["']([\w-]+)["']""", one)
        if named is None or extra is None or extra[1] in _OWN:
            continue
        if named[0].replace("_", "-").lower() == package:
            return (
                f"this needs more packages ({module} is missing): pip install 'sallet[{extra[1]}]'"
            )
    return None
