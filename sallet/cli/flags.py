"""Groups of flags that several commands have."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any


def add_command(
    commands: Any, name: str, summary: str, handler: str | None = None
) -> argparse.ArgumentParser:
    """A command; its handler is `run` in the module of its name, if no other is named."""
    command = commands.add_parser(name, help=summary, description=summary[0].upper() + summary[1:])
    command.set_defaults(handler=handler or f"sallet.cli.{name}:run")
    return command


def add_json(command: argparse.ArgumentParser) -> None:
    """For scripts."""
    command.add_argument("--json", action="store_true", help="one JSON object, last on stdout")


def add_answering(command: argparse.ArgumentParser) -> None:
    """Where answers come from."""
    command.add_argument("--device", help="auto, cpu, cuda, cuda:N")
    group = command.add_argument_group("answers that are known from earlier runs")
    group.add_argument(
        "--cache", type=Path, metavar="FILE", help="default: sallet/answers.sqlite in the cache"
    )
    group.add_argument("--no-cache", action="store_true", help="ask for every answer")
    group.add_argument(
        "--cache-endpoints",
        action="store_true",
        help="take an endpoint's model name for its revision, and remember its answers",
    )


def add_ending(command: argparse.ArgumentParser) -> None:
    """What a run must keep to."""
    group = command.add_argument_group("what decides the exit code")
    group.add_argument(
        "--max-unassessed",
        type=_share,
        default=0.1,
        metavar="SHARE",
        help="exit 1 when more of the rows than this could not be assessed (default: 0.1)",
    )
    for side, than in (("over", "above"), ("under", "below")):
        group.add_argument(
            f"--fail-{side}",
            action="append",
            default=[],
            metavar="METRIC=SHARE",
            help=f"exit 100 when a cell's rate is {than} this, e.g. "
            + ("asr=0.2,over_refusal=0.1" if side == "over" else "utility=0.9"),
        )
    add_json(command)


def add_recipe(command: argparse.ArgumentParser) -> None:
    """What stands in place of a recipe's values."""
    group = command.add_argument_group("in place of the recipe's values, or of a recipe")
    names = (
        ("model", "a catalogue name, openai/NAME, a folder or a hub name"),
        ("attack", "see `sallet list attacks`"),
        ("defense", "see `sallet list defenses`; a+b stacks"),
        ("benchmark", "see `sallet list benchmarks`"),
        ("access", "oblivious, adaptive or transfer"),
        ("source", "a model to transfer from"),
    )
    for name, meaning in names:
        group.add_argument(
            f"--{name}", action="append", metavar="NAME", help=f"{meaning}; repeatable"
        )
    group.add_argument("--goal", help="untargeted, targeted or jailbreak")
    group.add_argument("--norm", help="linf or l2")
    group.add_argument("--eps", type=float, help="in 8-bit units: 8 means 8/255")
    group.add_argument("--steps", type=int)
    group.add_argument("--limit", type=int, metavar="N", help="at most N samples a benchmark")
    group.add_argument("--resubmissions", type=int, metavar="N")
    group.add_argument("--attack-batch", type=int, metavar="N")
    group.add_argument("--seed", type=int)


def _share(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"a share from 0 to 1, not {text!r}")
    return value
