"""Every command and its flags. Handlers are named, not imported."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sallet.cli.calibrate import add_parser as add_calibrate
from sallet.cli.certify import add_parser as add_certify
from sallet.cli.flags import add_answering, add_command, add_ending, add_json, add_recipe
from sallet.cli.gateway import add_parsers as add_gateway
from sallet.cli.harness import add_executor
from sallet.cli.harness import add_parsers as add_harness
from sallet.cli.purifiers import add_parsers as add_purifiers
from sallet.world.cli import add_parser as add_world

LISTS = ("models", "defenses", "attacks", "benchmarks", "judges")
COMPARED = ("defense", "model", "attack", "access", "eps", "judge")


def add_all(commands: Any) -> None:
    """The commands, in the order of `sallet --help`."""
    _demo(commands)
    _attack(commands)
    _evaluate(commands)
    _retry(commands)
    _score(commands)
    _report(commands)
    _runs(commands)
    _compare(commands)
    _export(commands)
    _list(commands)
    _doctor(commands)
    add_harness(commands)
    add_purifiers(commands)
    add_calibrate(commands)
    add_certify(commands)
    add_gateway(commands)
    add_world(commands)


def _demo(commands: Any) -> None:
    command = add_command(commands, "demo", "attack and defend the shipped model, in a few minutes")
    command.add_argument("--out", type=Path, default=Path("demo"), metavar="DIR")
    command.add_argument("--limit", type=int, metavar="N", help="at most N samples a benchmark")
    command.add_argument("--seed", type=int)
    add_json(command)


def _attack(commands: Any) -> None:
    command = add_command(commands, "attack", "make hostile copies of pictures of your own")
    command.add_argument(
        "images", type=Path, metavar="IMAGE", help="an image, a folder, or a .jsonl list"
    )
    command.add_argument("--ask", metavar="TEXT", help="the question about the picture")
    command.add_argument("--system", metavar="TEXT", help="the system message")
    goals = command.add_argument_group("what is wanted: one of")
    goals.add_argument("--say", metavar="TEXT", help="that the model says this")
    goals.add_argument(
        "--stop-saying", nargs="?", const="", metavar="TEXT",
        help="that it no longer says this (default: what it says of the clean picture)",
    )  # fmt: skip
    goals.add_argument("--jailbreak", metavar="TEXT", help="that it complies, beginning like this")
    command.add_argument(
        "--naming", action="append", default=[], metavar="WORDS",
        help="what the answer must name to count (more than once: any of them)",
    )  # fmt: skip
    command.add_argument(
        "--model", default="world/llava-strong", metavar="NAME",
        help="a listed name, a checkpoint's folder, a hub name or openai/NAME (%(default)s)",
    )  # fmt: skip
    command.add_argument(
        "--attack", default="pgd", metavar="NAME", help="see `sallet list` (%(default)s)"
    )
    command.add_argument(
        "--eps", type=float, help="in 8-bit units: 8 means 8/255 (the attack's own: pgd 8)"
    )
    command.add_argument(
        "--norm", choices=("linf", "l2"), help="what --eps bounds (the attack's own: pgd linf)"
    )
    command.add_argument("--steps", type=int, help="at most (the attack's own: pgd 100)")
    command.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="the attack's other settings",
    )
    command.add_argument(
        "--defense", default="none", metavar="NAME", help="a name, or a+b+c (%(default)s)"
    )
    command.add_argument(
        "--blind", action="store_true", help="the attacker does not know the defence"
    )
    command.add_argument(
        "--judge", default="contains", metavar="NAME", help="who says what counts (%(default)s)"
    )
    command.add_argument("--seed", type=int, default=0, help="of everything random (%(default)s)")
    command.add_argument("--device", help="auto, cpu, cuda, cuda:N")
    command.add_argument(
        "--out", type=Path, default=Path("hostile"), metavar="DIR", help="(%(default)s)"
    )
    command.add_argument("--fresh", action="store_true", help="write over what is in --out")
    command.add_argument(
        "--picture", action="store_true", help="also clean, hostile and difference in one PNG"
    )
    add_json(command)


def _evaluate(commands: Any) -> None:
    command = add_command(
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
    add_executor(command)
    add_answering(command)
    add_ending(command)
    add_recipe(command)


def _retry(commands: Any) -> None:
    command = add_command(commands, "retry", "make the rows of a run again that were not assessed")
    command.add_argument("folder", type=Path, metavar="DIR")
    command.add_argument(
        "--errors", action="store_true", help="only those of which an answer could not be had"
    )
    add_answering(command)
    add_ending(command)


def _score(commands: Any) -> None:
    command = add_command(commands, "score", "judge a run's answers again; no model is asked")
    command.add_argument("folder", type=Path, metavar="DIR")
    command.add_argument(
        "--judge", required=True, metavar="NAME", help="see `sallet list judges`, or module:name"
    )
    command.add_argument("--out", type=Path, metavar="DIR", help="default: <DIR>-<judge>")
    command.add_argument("--resume", action="store_true", help="go on with the scores in --out")
    add_ending(command)


def _runs(commands: Any) -> None:
    command = add_command(
        commands, "runs", "the runs in a folder: what they are and how far they got"
    )
    command.add_argument("folder", nargs="?", type=Path, default=Path("runs"), metavar="DIR")
    add_json(command)


def _compare(commands: Any) -> None:
    command = add_command(commands, "compare", "which differences are real, between runs or in one")
    command.add_argument(
        "runs", nargs="+", type=Path, metavar="DIR", help="the first of several is the baseline"
    )
    command.add_argument(
        "--by",
        choices=COMPARED,
        help="what may differ between cells; of one run, what is set against its baseline",
    )
    command.add_argument(
        "--baseline",
        metavar="VALUE",
        help="of --by, in one run (default: none for defense, uniform-noise for attack, "
        "oblivious for access, else the first)",
    )
    command.add_argument("--out", type=Path, metavar="FILE", help="write the tables as Markdown")
    add_json(command)


def _export(commands: Any) -> None:
    command = add_command(commands, "export", "a run in the format of another tool")
    command.add_argument("folder", type=Path, metavar="DIR")
    command.add_argument(
        "--format",
        required=True,
        metavar="NAME",
        help="csv, parquet, markdown, latex, inspect, junit or sarif",
    )
    command.add_argument(
        "--what", choices=("rows", "cells"), help="default: rows of csv and parquet, else cells"
    )
    command.add_argument(
        "--out", type=Path, metavar="FILE", help="default: stdout; of inspect, a folder"
    )
    command.add_argument("--force", action="store_true", help="write over what is at --out")
    command.add_argument(
        "--no-images", action="store_true", help="of inspect: without the hostile pictures"
    )
    command.add_argument(
        "--at",
        metavar="FILE",
        help="of sarif: the file of the repository that alerts are shown at, e.g. the recipe "
        "(default: the run's summary.json)",
    )
    add_ending(command)


def _report(commands: Any) -> None:
    command = add_command(
        commands, "report", "sum up a run's rows again: summary.json and report.html"
    )
    command.add_argument("folder", type=Path, metavar="DIR")
    add_json(command)


def _list(commands: Any) -> None:
    command = add_command(commands, "list", "every name that a recipe can say")
    command.add_argument("what", nargs="?", choices=LISTS)
    add_json(command)


def _doctor(commands: Any) -> None:
    add_json(add_command(commands, "doctor", "what this machine can run"))
