"""``sallet world train|check|draw``: the picture world from the command line.

Nothing heavy is imported until a command runs. Progress goes to stderr; with
``--json`` the last line of stdout is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any


def add_parser(subparsers: Any) -> argparse.ArgumentParser:
    """Add ``world`` and its commands; each sets ``handler``, a function of the parsed arguments."""
    about = "the picture world: train, check and draw the embedded laboratory"
    world: argparse.ArgumentParser = subparsers.add_parser("world", help=about, description=about)
    commands = world.add_subparsers(dest="world_command", required=True)

    train = commands.add_parser("train", help="train a small VLM from nothing (resumes by itself)")
    train.add_argument("out", type=Path, help="folder for checkpoints, curves and the model")
    train.add_argument("--seed", type=int, default=0)
    train.add_argument("--tower-steps", type=int, default=None, help="steps of the tower stage")
    train.add_argument(
        "--language-steps", type=int, default=None, help="steps of the language stage"
    )
    train.add_argument("--fresh", action="store_true", help="ignore checkpoints that lie in OUT")
    train.set_defaults(handler=run_train)

    check = commands.add_parser("check", help="measure a model on held-out scenes")
    check.add_argument(
        "model", nargs="?", default="world/llava-strong", help="shipped name, or a folder"
    )
    check.add_argument("--limit", type=int, default=500, help="questions a family (default 500)")
    check.add_argument("--family", action="append", help="only this family (may be given again)")
    check.add_argument("--phrasing", choices=("any", "trained", "held-out"), default="any")
    check.add_argument("--device", default="cpu")
    check.set_defaults(handler=run_check)

    draw = commands.add_parser("draw", help="draw a contact sheet of a family")
    draw.add_argument("family", help="a family, for instance where or typographic")
    draw.add_argument("out", type=Path, help="image file to write")
    draw.add_argument("--count", type=int, default=12)
    draw.add_argument("--seed", type=int, default=0)
    draw.add_argument("--train", action="store_true", help="scenes of the training split")
    draw.set_defaults(handler=run_draw)
    for command in (train, check, draw):
        command.add_argument(
            "--json", action="store_true", help="one JSON object as the last line of stdout"
        )
    return world


def run_train(args: argparse.Namespace) -> int:
    """Train, and say where the model lies."""
    from sallet.world import train

    tower = train.TOWER_STEPS if args.tower_steps is None else args.tower_steps
    language = train.LANGUAGE_STEPS if args.language_steps is None else args.language_steps
    try:
        with _Bar() as bar:
            made = train.train(
                args.out,
                seed=args.seed,
                tower_steps=tower,
                language_steps=language,
                resume=not args.fresh,
                progress=bar.stage,
            )
    except KeyboardInterrupt:
        print(f"stopped; the same command goes on from {args.out}", file=sys.stderr)
        return 130
    steps = {"tower_steps": tower, "language_steps": language}
    _say({"model": str(made), "seed": args.seed, **steps}, args.json)
    return 0


def run_check(args: argparse.Namespace) -> int:
    """Measure, and print a line a family."""
    from sallet.core.errors import ModelError, UnknownName
    from sallet.world.families import FAMILIES
    from sallet.world.models import MODELS, path

    for family in args.family or ():
        if family not in FAMILIES:
            raise UnknownName("family", family, FAMILIES)
    folder = path(args.model) if args.model in MODELS else Path(args.model)
    if not (folder / "config.json").is_file():
        raise ModelError(f"expected a model folder or {', '.join(MODELS)}, got {args.model}")

    from sallet.world.check import check

    with _Bar() as bar:
        found = check(
            folder,
            args.limit,
            families=args.family,
            phrasing=args.phrasing,
            device=args.device,
            progress=lambda name, done, total: bar.stage(name, done, total, None),
        )
    _say({**found, "model": args.model}, args.json)
    return 0


def run_draw(args: argparse.Namespace) -> int:
    """Draw one contact sheet."""
    from sallet.world.draw import save

    save(args.out, args.family, args.count, seed=args.seed, held_out=not args.train)
    _say({"file": str(args.out), "family": args.family, "count": args.count}, args.json)
    return 0


def _say(found: dict[str, object], as_json: bool) -> None:
    print(json.dumps(found) if as_json else "\n".join(_plain(found)))


def _plain(found: dict[str, Any], indent: str = "") -> list[str]:
    lines: list[str] = []
    for key, value in found.items():
        if isinstance(value, dict) and set(value) == {"rate", "n"}:
            lines.append(f"{indent}{key:<22} {value['rate']:.3f}  (n={value['n']})")
        elif isinstance(value, dict):
            lines += [f"{indent}{key}", *_plain(value, indent + "  ")]
        elif value is not None:
            lines.append(f"{indent}{key:<22} {value}")
    return lines


class _Bar:
    """One progress bar on stderr with the time left; each stage restarts it."""

    def __init__(self) -> None:
        from rich import progress
        from rich.console import Console

        self.progress = progress.Progress(
            progress.TextColumn("{task.description}"),
            progress.BarColumn(),
            progress.MofNCompleteColumn(),
            progress.TimeRemainingColumn(),
            console=Console(stderr=True),
        )
        self.tasks: dict[str, Any] = {}

    def stage(self, name: str, done: int, total: int, loss: float | None) -> None:
        """Show that ``done`` of ``total`` are done; a check has one bar for all its families."""
        key = name if loss is not None else "check"
        if key not in self.tasks:
            self.tasks[key] = self.progress.add_task(name, total=total, completed=done - 1)
        text = f"{name} loss {loss:.3f}" if loss is not None else name
        self.progress.update(self.tasks[key], completed=done, description=text)

    def __enter__(self) -> _Bar:
        self.progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.progress.stop()
