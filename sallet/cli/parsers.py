"""Every command and its flags. Handlers are named, not imported."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from sallet.world.cli import add_parser as add_world

LISTS = ("models", "defenses", "attacks", "benchmarks", "judges")


def add_all(commands: Any) -> None:
    """The commands, in the order of `sallet --help`."""
    _demo(commands)
    _evaluate(commands)
    _report(commands)
    _list(commands)
    _doctor(commands)
    add_world(commands)


def _demo(commands: Any) -> None:
    command = _command(commands, "demo", "attack and defend the shipped model, in a few minutes")
    command.add_argument("--out", type=Path, default=Path("demo"), metavar="DIR")
    command.add_argument("--limit", type=int, metavar="N", help="at most N samples a benchmark")
    command.add_argument("--seed", type=int)
    _json(command)


def _evaluate(commands: Any) -> None:
    command = _command(
        commands,
        "evaluate",
        "run a recipe: models x attacks x access x defences x benchmarks",
        handler="sallet.cli.evaluate:run",
    )
    command.add_argument("recipe", nargs="?", type=Path, metavar="RECIPE", help="a YAML file")
    command.add_argument("--out", type=Path, metavar="DIR", help="default: runs/<name of recipe>")
    command.add_argument("--resume", action="store_true", help="go on with the run in --out")
    command.add_argument(
        "--only",
        action="append",
        default=[],
        metavar="KEY=VALUE,...",
        help="only the cells with these values, e.g. defense=jpeg,access=adaptive",
    )
    command.add_argument("--dry-run", action="store_true", help="the plan and its time; no files")
    command.add_argument("--device", help="auto, cpu, cuda, cuda:N")
    command.add_argument(
        "--max-unassessed",
        type=_share,
        default=0.1,
        metavar="SHARE",
        help="exit 1 when more of the rows than this could not be assessed (default: 0.1)",
    )
    _json(command)
    _recipe_flags(command)


def _recipe_flags(command: argparse.ArgumentParser) -> None:
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


def _report(commands: Any) -> None:
    command = _command(
        commands, "report", "sum up a run's rows again: summary.json and report.html"
    )
    command.add_argument("folder", type=Path, metavar="DIR")
    _json(command)


def _list(commands: Any) -> None:
    command = _command(commands, "list", "every name that a recipe can say")
    command.add_argument("what", nargs="?", choices=LISTS)
    _json(command)


def _doctor(commands: Any) -> None:
    _json(_command(commands, "doctor", "what this machine can run"))


def _command(
    commands: Any, name: str, summary: str, handler: str | None = None
) -> argparse.ArgumentParser:
    command = commands.add_parser(name, help=summary, description=summary[0].upper() + summary[1:])
    command.set_defaults(handler=handler or f"sallet.cli.{name}:run")
    return command


def _json(command: argparse.ArgumentParser) -> None:
    command.add_argument("--json", action="store_true", help="one JSON object, last on stdout")


def _share(text: str) -> float:
    value = float(text)
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"a share from 0 to 1, not {text}")
    return value
