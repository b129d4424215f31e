"""`sallet calibrate`: a policy for `choose`, or thresholds of a gateway's detectors."""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

from sallet.core.errors import UsageError

OPTIONS = (
    "none", "safety-prompt", "adashield-s", "self-review", "codefend", "self-review+codefend",
    "safety-prompt+smoothguard",
)  # fmt: skip


def add_parser(commands: Any) -> None:
    """The command and its flags."""
    about = (
        "fit thresholds: of `choose` on scenes of training, of a gateway on pictures of your own"
    )
    command = commands.add_parser("calibrate", help=about, description=about[0].upper() + about[1:])
    command.add_argument("--out", type=Path, metavar="FILE", help="for `choose`: a .json file")
    gateway = command.add_argument_group("detectors of a gateway's policy")
    gateway.add_argument("--policy", type=Path, metavar="FILE")
    gateway.add_argument("--benign", type=Path, metavar="DIR", help="harmless pictures of your own")
    gateway.add_argument(
        "--fpr", type=float, default=0.01, metavar="SHARE", help="of false alarms (%(default)s)"
    )
    gateway.add_argument("--ask", default="What is this?", metavar="TEXT", help="(%(default)s)")
    command.add_argument(
        "--model", default="world/llava-strong", metavar="NAME", help="(%(default)s)"
    )
    command.add_argument(
        "--option", action="append", metavar="NAME",
        help=f"a defence or a stack; more than once ({', '.join(OPTIONS)})",
    )  # fmt: skip
    command.add_argument("--encoder", default="world/clip", metavar="NAME", help="(%(default)s)")
    command.add_argument("--limit", type=int, default=80, metavar="N", help="a set (%(default)s)")
    command.add_argument(
        "--eps", type=float, default=8.0, help="of the attack without a defence (%(default)s)"
    )
    command.add_argument("--steps", type=int, default=30, help="of that attack (%(default)s)")
    command.add_argument(
        "--price", type=float, default=0.005, help="of one model answer (%(default)s)"
    )
    command.add_argument("--views", action="store_true", help="also ask two noisy views")
    command.add_argument("--purifier", default="", metavar="FOLDER", help="also look at its alarm")
    command.add_argument("--seed", type=int, default=0)
    command.add_argument("--json", action="store_true", help="one JSON object, last on stdout")
    command.set_defaults(handler="sallet.cli.calibrate:run")


def run(args: argparse.Namespace) -> int:
    """Exit code 0 when the policy is written, or the thresholds are."""
    if args.policy or args.benign:
        from sallet.cli.detectors import run as detectors

        if not (args.policy and args.benign):
            raise UsageError("--policy FILE and --benign DIR go together")
        return detectors(args)
    if args.out is None:
        raise UsageError("give --out FILE for `choose`, or --policy FILE and --benign DIR")
    from sallet import catalog
    from sallet.cli.progress import bar
    from sallet.harness.parts import Parts
    from sallet.runs.recipe import Spec
    from sallet.train.cases import Hostile, cases_of
    from sallet.train.choose import Settings, fit

    if args.out.suffix != ".json":
        raise UsageError(f"--out is a .json file; got {args.out}")
    settings = Settings(
        encoder=args.encoder, price=args.price, views=args.views, purifier=args.purifier
    )
    options = [(name, catalog.defense(name)) for name in args.option or OPTIONS]
    model = Parts().model(Spec(args.model))
    judge = catalog.build("judge", "world")
    began = time.monotonic()
    cases = cases_of(model, judge, args.limit, args.seed, Hostile(args.eps, args.steps))
    with bar("calibrate") as moved:
        policy = fit(model, options, cases, judge, settings, moved)
    policy.save(args.out)
    names = ", ".join(f"{curve.option} ({curve.passes:g})" for curve in policy.curves)
    print(f"{args.out}: {policy.fitted}; options and their passes: {names}")
    if args.json:
        found = {"file": str(args.out), "cases": len(cases), "digest": policy.digest}
        print(json.dumps({**found, "seconds": round(time.monotonic() - began, 1)}))
    return 0
