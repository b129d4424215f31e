"""`sallet attack` on the first of the pictures."""

from __future__ import annotations

from pathlib import Path

from sallet.cli.main import run

LEFT = "what is on the left ?"


def attack(pictures: Path, out: Path, *more: str) -> int:
    return run(["attack", str(pictures / "p0.png"), "--ask", LEFT, "--out", str(out), *more])
