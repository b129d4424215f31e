"""What `sallet attack` is to do: the pictures, and what is wanted of each."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

from sallet import catalog
from sallet.core.errors import UsageError
from sallet.core.goal import Kind
from sallet.harness.parts import listed
from sallet.harness.single import Job

PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".gif")
OURS = (".hostile", ".beside")
"""What the files that are made here end in; in a folder of pictures they are passed over."""
WANTS: dict[str, Kind] = {"say": "targeted", "stop_saying": "untargeted", "jailbreak": "jailbreak"}


KEYS = ("id", "image", "ask", "system", "naming", *WANTS)
"""What a line of a list may have."""


def jobs_of(args: argparse.Namespace) -> list[Job]:
    """The pictures and what is wanted of each, as the flags and the list say."""
    path: Path = args.images
    if path.suffix.lower() == ".jsonl":
        jobs = [_listed(path, n, line, args) for n, line in _lines(path)]
    elif path.is_dir():
        found = sorted(
            p for p in path.iterdir() if p.suffix.lower() in PICTURES and not p.stem.endswith(OURS)
        )
        jobs = [_job({"image": p.name}, path, p.stem, args, str(p)) for p in found]
    else:
        jobs = [_job({"image": str(path)}, Path(), path.stem, args, str(path))]
    if not jobs:
        raise UsageError(
            f"no picture in {path}: expected an image, a folder with "
            f"{', '.join(PICTURES)} files, or a .jsonl list"
        )
    names = [job.name for job in jobs]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise UsageError(f"two pictures would be written as {twice}; give each line an `id`")
    return jobs


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot read the list {path}: {error}") from None
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip():
            yield number, line


def _listed(path: Path, number: int, line: str, args: argparse.Namespace) -> Job:
    where = f"{path}, line {number}"
    try:
        entry = json.loads(line)
    except json.JSONDecodeError as error:
        raise UsageError(f"{where} is not JSON: {error}") from None
    if not isinstance(entry, dict) or "image" not in entry:
        raise UsageError(f'{where}: expected an object with "image" and a goal, got {line[:60]}')
    for key, value in entry.items():
        _check(f"{where}: {key!r}", key, value)
    name = str(entry.get("id") or Path(entry["image"]).stem)
    if Path(name).name != name:
        raise UsageError(f"{where}: an `id` names a file of --out, so it has no slash: {name!r}")
    return _job(entry, path.parent, name, args, where)


def _check(what: str, key: str, value: Any) -> None:
    """An error where a value of a list is not of its key's kind; unknown keys are told later."""
    if key == "naming":
        fits, kind = _texts(value), "a text, or a list of texts"
    elif key == "id":
        fits, kind = isinstance(value, (str, int)) and not isinstance(value, bool), "a text"
    elif key == "stop_saying":
        fits, kind = isinstance(value, (str, type(None))), "a text, or null for what it says now"
    else:
        fits, kind = isinstance(value, str) or key not in KEYS, "a text"
    if not fits:
        raise UsageError(f"{what} is {kind}; got {json.dumps(value, ensure_ascii=False)[:60]}")


def _texts(value: Any) -> bool:
    return isinstance(value, str) or (
        isinstance(value, list) and all(isinstance(one, str) for one in cast(list[Any], value))
    )


def _job(
    entry: dict[str, Any], folder: Path, name: str, args: argparse.Namespace, where: str
) -> Job:
    for key in entry:
        if key not in KEYS:
            raise UsageError(f"{where}: unknown key {key!r}; a line may have {', '.join(KEYS)}")
    ask = entry.get("ask") or args.ask
    if not ask:
        raise UsageError(f"{where}: nothing is asked; give --ask, or an `ask` in the list")
    given = {key: entry[key] for key in WANTS if key in entry}
    given = given or {key: getattr(args, key) for key in WANTS if getattr(args, key) is not None}
    if not given and _wilful(args.attack):
        given = {"say": args.attack}  # what it says is the attack's own affair
    if len(given) != 1:
        raise UsageError(
            f"{where}: expected one goal, got {len(given)}; give --say TEXT, --stop-saying [TEXT] "
            "or --jailbreak TEXT"
        )
    ((want, text),) = given.items()
    if not text and want != "stop_saying":
        raise UsageError(f"{where}: {want} needs the words that are wanted")
    names = entry.get("naming") or args.naming
    names = (names,) if isinstance(names, str) else tuple(names)
    if want == "jailbreak" and not names:
        raise UsageError(
            f"{where}: a jailbreak counts when the answer complies and names the thing; say "
            "what that is with --naming"
        )
    path = folder / entry["image"]
    system = entry.get("system") or args.system
    return Job(name, path, str(ask), WANTS[want], str(text) if text else None, names, system)


def _wilful(name: str) -> bool:
    """Whether an attack wants something of its own, whatever it is told."""
    return name in catalog.ATTACKS and hasattr(listed("attack", name), "wants")
