"""`sallet train purifier`: a purifier from pairs that the attack engine makes."""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import time
from typing import TYPE_CHECKING, TypeVar

from sallet.cli.progress import bar
from sallet.core.errors import UsageError

if TYPE_CHECKING:
    from sallet.train.purifier import Training

T = TypeVar("T", int, float)


def purifier(args: argparse.Namespace) -> int:
    """Exit code 0 when it is trained; Ctrl-C keeps the last checkpoint."""
    training = _training(args)
    began = time.monotonic()
    try:
        with bar("purifier") as moved:
            folder = training.run(
                lambda step, steps, loss: moved(step, steps, f"purifier, loss {loss:.4f}")
            )
    except KeyboardInterrupt:
        print(f"stopped; the same command goes on from {args.out}/checkpoint", file=sys.stderr)
        return 1
    print(f"{folder} is trained; `sallet purify IN OUT --purifier {folder}` uses it")
    if args.json:
        found = {"folder": str(folder), "steps": args.steps, "kind": args.kind}
        print(json.dumps({**found, "seconds": round(time.monotonic() - began, 1)}))
    return 0


def _training(args: argparse.Namespace) -> Training:
    from sallet.harness.parts import Parts
    from sallet.models.local import HFModel
    from sallet.models.towers import Tower
    from sallet.purifiers.space import LatentSpace, PixelSpace
    from sallet.runs.recipe import Spec
    from sallet.train.objectives import Guide
    from sallet.train.pairs import BENCHMARKS, Mix, Pairs
    from sallet.train.policy import OnPolicy
    from sallet.train.purifier import Training
    from sallet.train.settings import Settings

    settings = Settings(
        kind=args.kind, steps=args.steps, batch=args.batch, crop=args.crop, rate=args.rate,
        guided=args.guided if args.on_policy or not args.no_guide else 0, noise=args.noise,
        fold=args.fold, widths=_numbers("--widths", args.widths, int),
        at_inference=args.steps_at_inference, every=args.every, seed=args.seed,
        precision=args.precision, save_every=args.save_every, until=args.until,
        start=args.start, base=args.base, rank=args.rank,
    )  # fmt: skip
    if args.no_pairs and args.kind == "flow" and not args.noise:
        raise UsageError(
            "--no-pairs leaves nothing to learn but to take noise away, and there is none; add "
            "--noise, such as 0.3"
        )
    latent = args.autoencoder is not None or args.base is not None
    if (args.space == "latent") != latent or (args.autoencoder and args.base):
        raise UsageError("--space latent goes with --autoencoder FOLDER, or with --base NAME")
    space = PixelSpace() if args.autoencoder is None else LatentSpace.load(args.autoencoder)
    if args.fresh:
        shutil.rmtree(args.out, ignore_errors=True)
    parts = Parts()
    models = [parts.model(Spec(name)) for name in args.model or ["world/llava-strong"]]
    local = [model for model in models if isinstance(model, HFModel)]
    guide = None
    if not args.no_guide and settings.guided and settings.kind == "flow":
        encoder = parts.model(Spec(args.encoder))
        if not isinstance(encoder, Tower):
            raise UsageError(f"--encoder {args.encoder} is no encoder; give a CLIP or SigLIP")
        guide = Guide(local, encoder, *_numbers("--guide", args.guide, float, 3))
    policy = OnPolicy(local, args.on_policy, args.policy_eps) if args.on_policy else None
    alone = args.no_pairs or args.kind == "diffusion"
    mix = Mix(attacks=(), same=1.0, benign=0.0) if alone else Mix(eps=args.eps)
    pairs = Pairs(
        args.out / "rounds", models, mix, args.benchmark or BENCHMARKS,
        size=args.round, seed=args.seed,
    )  # fmt: skip
    return Training(
        args.out, settings, pairs, guide=guide, policy=policy, space=space,
        tensorboard=args.tensorboard,
    )  # fmt: skip


def _numbers(flag: str, text: str, kind: type[T], many: int | None = None) -> tuple[T, ...]:
    try:
        made = tuple(kind(part) for part in text.split(","))
    except ValueError:
        made = ()
    if not made or (many and len(made) != many):
        wanted = f"{many or 'some'} {'whole ' if kind is int else ''}numbers with commas between"
        raise UsageError(f"{flag} takes {wanted}; got {text!r}")
    return made
