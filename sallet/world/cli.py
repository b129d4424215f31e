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

    train = commands.add_parser("train", help="train a make of model, or an encoder, from nothing")
    train.add_argument("out", type=Path, help="folder for checkpoints, curves and the models")
    train.add_argument(
        "--make", default="llava", help="llava, qwen3vl, internvl, or clip for the encoder"
    )
    train.add_argument("--seed", type=int, default=0)
    train.add_argument("--tower-steps", type=int, help="steps of the tower stage")
    train.add_argument("--words-steps", type=int, help="steps of language without pictures")
    train.add_argument(
        "--language-steps",
        type=int,
        help="steps of the language stage; the make's own if not given",
    )
    train.add_argument("--weak-steps", type=int, help="steps from strong to weak; 0 leaves it out")
    train.add_argument(
        "--clip-steps", type=int, help="steps of the encoder's own stage (with --make clip)"
    )
    train.add_argument(
        "--tower", type=Path, help="tower.ckpt of a llava run to start the encoder from"
    )
    train.add_argument(
        "--start", help="shipped name or exported folder to go on from: no tower, no words stage"
    )
    train.add_argument(
        "--preview", type=Path, help="folder that gets the unfinished model at every checkpoint"
    )
    train.add_argument("--threads", type=int, default=1, help="one is fastest at this size")
    train.add_argument("--fresh", action="store_true", help="ignore checkpoints that lie in OUT")
    train.add_argument("--tensorboard", type=Path, help="folder for TensorBoard's event files, too")
    train.set_defaults(handler=run_train)

    check = commands.add_parser("check", help="measure models and encoders on held-out scenes")
    check.add_argument(
        "models", nargs="*", help="shipped names or folders (default: all that are shipped)"
    )
    check.add_argument("--limit", type=int, default=500, help="questions a family (default 500)")
    check.add_argument("--measure", action="append", help="only this one (may be given again)")
    check.add_argument(
        "--phrasing", choices=("any", "trained", "held-out"), default="held-out",
        help="wordings of the questions (default held-out)",
    )  # fmt: skip
    check.add_argument(
        "--split", choices=("plain", "shift", "both"), default="both",
        help="shift: drawings, fonts and grounds that training never showed",
    )  # fmt: skip
    check.add_argument("--device", default="cpu")
    check.set_defaults(handler=run_check)

    draw = commands.add_parser("draw", help="draw a contact sheet of a family")
    draw.add_argument("family", help="a family, for instance where or typographic")
    draw.add_argument("out", type=Path, help="image file to write, or with --plain a folder")
    draw.add_argument("--count", type=int, default=12)
    draw.add_argument("--seed", type=int, default=0)
    draw.add_argument(
        "--split", choices=("train", "plain", "shift"), default="plain",
        help="training scenes, held-out ones, or held-out ones drawn otherwise",
    )  # fmt: skip
    draw.add_argument(
        "--plain", action="store_true",
        help="each picture alone, as a PNG, and the questions in a list for `sallet attack`",
    )  # fmt: skip
    draw.set_defaults(handler=run_draw)
    for command in (train, check, draw):
        command.add_argument(
            "--json", action="store_true", help="one JSON object as the last line of stdout"
        )
    return world


def run_train(args: argparse.Namespace) -> int:
    """Train, and say where the results lie."""
    import torch

    torch.set_num_threads(args.threads)
    try:
        with _Bar(args.tensorboard) as bar:
            made, facts = _train(args, bar.stage)
    except KeyboardInterrupt:
        print(f"stopped; the same command goes on from {args.out}", file=sys.stderr)
        return 1
    found = {"models": [str(m) for m in made], "make": args.make, "seed": args.seed, **facts}
    _say(found, args.json)
    return 0


def _train(args: argparse.Namespace, progress: Any) -> tuple[list[Path], dict[str, object]]:
    from sallet.core.errors import UsageError
    from sallet.world import train
    from sallet.world.makes import MAKES
    from sallet.world.models import shipped

    tower = train.TOWER_STEPS if args.tower_steps is None else args.tower_steps
    if args.make == "clip" and args.start is not None:
        raise UsageError("--start is for a model; an encoder starts from --tower TOWER.ckpt")
    if args.make == "clip":
        from sallet.world import encoder
        from sallet.world.makes import make
        from sallet.world.processor import tokenizer

        steps = encoder.CLIP_STEPS if args.clip_steps is None else args.clip_steps
        folder = encoder.train(
            args.out, tokenizer(make("llava")), seed=args.seed, tower_steps=tower, steps=steps,
            tower=args.tower, resume=not args.fresh, progress=progress,
        )  # fmt: skip
        return [folder], {"tower_steps": tower, "clip_steps": steps}
    words = train.WORDS_STEPS if args.words_steps is None else args.words_steps
    language = args.language_steps
    if language is None and args.make in MAKES:
        language = MAKES[args.make].language_steps
    weak = train.WEAK_STEPS if args.weak_steps is None else args.weak_steps
    folders = train.train(
        args.out, name=args.make, seed=args.seed, tower_steps=tower, language_steps=language,
        words_steps=words, weak_steps=weak, resume=not args.fresh, progress=progress,
        preview=args.preview, start=None if args.start is None else shipped(args.start),
    )  # fmt: skip
    steps = {"tower": tower, "words": words, "language": language, "weak": weak}
    return [*folders], {f"{stage}_steps": count for stage, count in steps.items()}


def run_check(args: argparse.Namespace) -> int:
    """Measure, and print a line a figure."""
    from sallet.core.errors import UnknownName
    from sallet.world.check import MEASURES
    from sallet.world.models import ENCODERS, MODELS, shipped

    for measure in args.measure or ():
        if measure not in MEASURES:
            raise UnknownName("measure", measure, MEASURES)
    chosen = args.models or [*MODELS, *ENCODERS]
    found: dict[str, Any] = {"models": {}, "encoders": {}}
    with _Bar() as bar:
        for name in chosen:
            folder = shipped(name)
            if _is_encoder(folder):
                found["encoders"][name] = _check_encoder(folder, args)
                continue
            found["models"][name] = _check_model(
                name, folder, args, lambda what, done, total: bar.stage(what, done, total, None)
            )
    _say(found, args.json)
    return 0


def _is_encoder(folder: Path) -> bool:
    kind = json.loads((folder / "config.json").read_text()).get("model_type")
    return kind == "clip"


def _check_model(name: str, folder: Path, args: argparse.Namespace, progress: Any) -> object:
    from sallet.world.check import MEASURES, check

    def of(shift: bool) -> dict[str, object]:
        def said(what: str, done: int, total: int) -> None:
            progress(f"{name}{' (shift)' if shift else ''}: {what}", done, total)

        return check(
            folder, args.limit, measures=args.measure or tuple(MEASURES), phrasing=args.phrasing,
            shift=shift, device=args.device, progress=said,
        ).plain()  # fmt: skip

    plain = of(False) if args.split != "shift" else {}
    return plain if args.split == "plain" else {**plain, "shift": of(True)}


def _check_encoder(folder: Path, args: argparse.Namespace) -> object:
    from sallet.world.encoder import retrieval

    plain = retrieval(folder, args.limit).plain() if args.split != "shift" else {}
    if args.split == "plain":
        return plain
    return {**plain, "shift": retrieval(folder, args.limit, shift=True).plain()}


def run_draw(args: argparse.Namespace) -> int:
    """Draw one contact sheet, or the pictures alone."""
    from sallet.core.errors import UsageError
    from sallet.world.draw import pictures, save

    if args.count < 1:
        raise UsageError(f"--count must be at least 1; it is {args.count}")
    draw = pictures if args.plain else save
    draw(
        args.out, args.family, args.count, seed=args.seed,
        held_out=args.split != "train", shift=args.split == "shift",
    )  # fmt: skip
    _say({"file": str(args.out), "family": args.family, "count": args.count}, args.json)
    return 0


def _say(found: dict[str, object], as_json: bool) -> None:
    print(json.dumps(found) if as_json else "\n".join(_plain(found)))


def _plain(found: dict[str, Any], indent: str = "") -> list[str]:
    lines: list[str] = []
    intervals: dict[str, list[float]] = found.get("intervals", {})
    for key, value in found.items():
        if key == "intervals":
            continue
        if isinstance(value, dict):
            lines += [f"{indent}{key}", *_plain(value, indent + "  ")] if value else []
        elif key in intervals:
            low, high = intervals[key]
            lines.append(f"{indent}{key:<32} {value:.3f}  [{low:.3f}, {high:.3f}]")
        elif value is not None:
            lines.append(f"{indent}{key:<32} {value}")
    return lines


class _Bar:
    """One progress bar on stderr with the time left; each stage restarts it."""

    def __init__(self, tensorboard: Path | None = None) -> None:
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
        self.writer = _writer(tensorboard) if tensorboard is not None else None

    def stage(self, name: str, done: int, total: int, loss: float | None) -> None:
        """Show that ``done`` of ``total`` are done; a check has one bar for all its families."""
        key = name if loss is not None else "check"
        if self.writer is not None and loss is not None and done % 10 == 0:
            self.writer.add_scalar(f"loss/{name}", loss, done)
        if key not in self.tasks:
            self.tasks[key] = self.progress.add_task(name, total=total, completed=done - 1)
        text = f"{name} loss {loss:.3f}" if loss is not None else name
        self.progress.update(self.tasks[key], completed=done, description=text)

    def __enter__(self) -> _Bar:
        self.progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.progress.stop()
        if self.writer is not None:
            self.writer.close()


def _writer(folder: Path) -> Any:
    from sallet.core.errors import SalletError

    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise SalletError(
            "--tensorboard needs the package tensorboard: pip install 'sallet[train]'"
        ) from error
    return SummaryWriter(str(folder))
