"""What made a run: recipe, code, machine."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import sallet
from sallet.core.errors import StoreError, WrongFolder
from sallet.runs.recipe import Recipe

LIBRARIES = ("torch", "transformers", "numpy", "pillow")
FORMAT = 2
"""Of a run folder. 1 had no `tries` and `votes` in its rows, and can be read, but not gone on with
by another version."""


@dataclass(frozen=True)
class Manifest:
    """`manifest.json`; `seconds` and `commit` grow with the run, over all of its resumptions.

    `rows` is how many the plan has; `scored` names the run whose answers were judged again;
    `weights` has the revision behind the name of each model that was asked or attacked.
    """

    recipe: dict[str, Any]
    digest: str
    sallet: str
    commit: str
    machine: str
    libraries: dict[str, str] = field(default_factory=dict[str, str])
    seconds: float = 0.0
    format: int = 1
    begun: str = ""
    rows: int | None = None
    scored: str | None = None
    weights: dict[str, str] = field(default_factory=dict[str, str])

    @classmethod
    def of(cls, recipe: Recipe) -> Manifest:
        """The manifest of a run that starts here and now."""
        return cls(
            recipe.as_dict(),
            recipe.digest,
            sallet.__version__,
            commit(),
            machine(),
            libraries(),
            format=FORMAT,
            begun=datetime.now(UTC).isoformat(timespec="seconds"),
        )

    @classmethod
    def read(cls, folder: Path) -> Manifest:
        """The manifest of a run's folder; a published one's is in its summary."""
        path = folder / "manifest.json"
        summed = folder / "summary.json"
        try:
            if not path.exists() and summed.exists():
                return cls._of_summary(json.loads(summed.read_text(encoding="utf-8")))
            data = json.loads(path.read_text(encoding="utf-8"))
            made, by = int(data.get("format", 1)), data.get("sallet")
            if made > FORMAT:
                raise StoreError(
                    f"{folder} has the format {made} (of sallet {by}), this sallet "
                    f"({sallet.__version__}) reads up to {FORMAT}: update it"
                )
            return cls(**data)
        except (FileNotFoundError, NotADirectoryError):
            raise WrongFolder(
                f"{folder} is not a run folder: it has no {path.name}; give one that "
                "`sallet evaluate` made"
            ) from None
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            raise StoreError(
                f"{folder} is not a run folder: {path.name} cannot be read ({error})"
            ) from None

    @classmethod
    def _of_summary(cls, summary: dict[str, Any]) -> Manifest:
        same = ("digest", "sallet", "commit", "machine", "libraries", "seconds")
        return cls(recipe=summary["resolved_recipe"], **{name: summary[name] for name in same})

    def extended(self, seconds: float) -> Manifest:
        """The manifest after more rows: more seconds, and the code's revision if it is another."""
        made_by = [*self.commit.split("; "), commit()]
        return replace(
            self,
            seconds=self.seconds + seconds,
            commit="; ".join(dict.fromkeys(filter(None, made_by))),
        )

    def dump(self) -> bytes:
        """The file's content."""
        return json.dumps(asdict(self), indent=2, ensure_ascii=False).encode()


@cache
def commit() -> str:
    """The revision of the code that runs, `+changed` where files differ; empty outside git."""

    def git(*words: str) -> str:
        done = subprocess.run(
            ["git", "--no-optional-locks", *words],
            cwd=Path(sallet.__file__).parent,
            capture_output=True,
            text=True,
            timeout=10,
        )
        return done.stdout.strip() if done.returncode == 0 else ""

    try:
        revision = git("rev-parse", "HEAD")
        return f"{revision}+changed" if revision and git("status", "--porcelain") else revision
    except (OSError, subprocess.SubprocessError):
        return ""


def machine() -> str:
    """The machine, in words that say nothing of whose it is."""
    import torch

    parts = [platform.system(), platform.machine(), _processor(), f"{os.cpu_count()} cores"]
    if torch.cuda.is_available():
        parts.append(f"{torch.cuda.device_count()} x {torch.cuda.get_device_name()}")
    return ", ".join(part for part in parts if part)


def libraries() -> dict[str, str]:
    """The versions that decide a verdict."""
    found = {"python": platform.python_version()}
    for name in LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(":", 1)[1].strip() for line in lines if "model name" in line), "")
