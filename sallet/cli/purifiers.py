"""The flags of `sallet train purifier` and `sallet purify`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from sallet.cli.prompts import add_parser as add_prompts


def add_parsers(commands: Any) -> None:
    """`train` with what can be trained, and `purify`."""
    about = "train a defence on what the attack engine makes"
    train = commands.add_parser("train", help=about, description=about[0].upper() + about[1:])
    kinds = train.add_subparsers(title="what", metavar="WHAT", required=True)
    _train(kinds.add_parser("purifier", help="a purifier of pictures"))
    add_prompts(kinds)
    about = "purify pictures: files or a folder of them"
    purify = commands.add_parser("purify", help=about, description=about[0].upper() + about[1:])
    _purify(purify)


def _train(command: argparse.ArgumentParser) -> None:
    command.add_argument("--out", type=Path, required=True, metavar="DIR")
    command.add_argument(
        "--model", action="append", metavar="NAME",
        help="whose attacks it learns from and whose answers guide it; more than once: in turn "
        "(world/llava-strong)",
    )  # fmt: skip
    command.add_argument(
        "--kind", choices=("flow", "diffusion", "bridge"), default="flow",
        help="flow: the way from hostile to clean; diffusion: the noise in clean pictures alone, "
        "as DiffPure needs; bridge: from diffused hostile to clean, as ADBM (%(default)s)",
    )  # fmt: skip
    command.add_argument("--space", choices=("pixel", "latent"), default="pixel")
    command.add_argument(
        "--autoencoder", metavar="FOLDER", help="a diffusers autoencoder, for --space latent"
    )
    command.add_argument(
        "--base", metavar="NAME",
        help="a Stable Diffusion (hub name or folder), to train an adapter of in its latent space",
    )  # fmt: skip
    command.add_argument("--rank", type=int, default=8, help="of that adapter (%(default)s)")
    command.add_argument(
        "--benchmark", action="append", metavar="NAME",
        help="where pictures and questions are of: world/..., or NAME=PATH of one of files",
    )  # fmt: skip
    command.add_argument("--steps", type=int, default=3000, help="(%(default)s)")
    command.add_argument("--batch", type=int, default=16, help="(%(default)s)")
    command.add_argument("--crop", type=int, default=128, help="side of squares (%(default)s)")
    command.add_argument("--rate", type=float, default=1e-3, help="learning rate (%(default)s)")
    command.add_argument("--noise", type=float, default=0.0, help="laid on first (%(default)s)")
    command.add_argument(
        "--eps", type=float, default=16.0, help="of attacks, at most (%(default)s)"
    )
    command.add_argument(
        "--steps-at-inference", type=int, default=1, metavar="N", help="(%(default)s)"
    )
    command.add_argument("--fold", type=int, default=2, help="pixels to a channel (%(default)s)")
    command.add_argument(
        "--widths", default="32,64,96", help="channels of the levels (%(default)s)"
    )
    command.add_argument(
        "--guided", type=int, default=4, help="whole pictures a step for the guide (%(default)s)"
    )
    command.add_argument(
        "--no-pairs", action="store_true",
        help="learn from clean pictures alone: only the --noise is taken away",
    )  # fmt: skip
    command.add_argument("--no-guide", action="store_true", help="without task guidance")
    command.add_argument(
        "--encoder", default="world/clip", metavar="NAME", help="for alignment (%(default)s)"
    )
    command.add_argument(
        "--guide", default="1,0.1,0.1", metavar="F,A,W",
        help="weights of the guide: features, answer, words (%(default)s)",
    )  # fmt: skip
    command.add_argument(
        "--on-policy", type=int, default=0, metavar="STEPS",
        help="attack the guided pictures anew at every step, through the purifier as it is then, "
        "in so many steps",
    )  # fmt: skip
    command.add_argument(
        "--policy-eps", type=float, default=8.0, help="of those, at most (%(default)s)"
    )
    command.add_argument(
        "--start", metavar="FOLDER", help="a purifier to go on from; its size is taken over"
    )
    command.add_argument(
        "--until",
        type=int,
        default=1000,
        help="of a diffusion or a bridge: times up to this (%(default)s)",
    )
    command.add_argument("--round", type=int, default=128, help="pairs a round (%(default)s)")
    command.add_argument("--every", type=int, default=40, help="steps a round (%(default)s)")
    command.add_argument("--seed", type=int, default=0)
    command.add_argument("--precision", choices=("no", "bf16", "fp16"), default="no")
    command.add_argument("--save-every", type=int, default=200, help="steps (%(default)s)")
    command.add_argument("--tensorboard", action="store_true", help="event files in DIR/logs")
    command.add_argument("--fresh", action="store_true", help="begin anew; DIR is emptied")
    command.add_argument("--json", action="store_true", help="one JSON object, last on stdout")
    command.set_defaults(handler="sallet.cli.train:purifier")


def _purify(command: argparse.ArgumentParser) -> None:
    command.add_argument("images", type=Path, metavar="IN", help="an image or a folder")
    command.add_argument("out", type=Path, metavar="OUT", help="a PNG, or a folder for PNGs")
    command.add_argument(
        "--purifier", required=True, metavar="NAME",
        help="a folder that `sallet train purifier` wrote",
    )  # fmt: skip
    command.add_argument("--steps", type=int, help="network evaluations (the purifier's own)")
    command.add_argument(
        "--until", type=int, default=100, help="of a diffusion: time (%(default)s)"
    )
    command.add_argument("--noise", type=float, help="of a flow (the purifier's own)")
    command.add_argument(
        "--against", type=Path, metavar="CLEAN",
        help="the clean picture, or a folder with one of each name: how near is what comes out?",
    )  # fmt: skip
    command.add_argument("--seed", type=int, default=0, help="of what is random (%(default)s)")
    command.add_argument("--device", default="cpu")
    command.add_argument("--json", action="store_true", help="one JSON object, last on stdout")
    command.set_defaults(handler="sallet.cli.purify:purify")
