"""`sallet attack`: a picture, a folder or a list of them to hostile files, each with its record."""

from __future__ import annotations

import argparse
import json
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from sallet.cli.jobs import jobs_of
from sallet.cli.progress import told
from sallet.core.errors import UsageError
from sallet.core.image import Pixels
from sallet.core.protocols import Enough, Going
from sallet.harness.parts import Parts, resolved
from sallet.harness.single import Job, Made, Range, Setting, check_file
from sallet.media.encode import encode
from sallet.media.file import open_image
from sallet.report.beside import beside
from sallet.runs import files
from sallet.runs.parse import parse
from sallet.runs.recipe import Recipe


def run(args: argparse.Namespace) -> int:
    """Exit code 0 if every picture was attacked, whatever came of it."""
    jobs = jobs_of(args)
    for job in jobs:
        check_file(job)  # before a model is loaded, which takes longer
    with Console(stderr=True).status(f"loading {args.model}"):
        range_ = _range(args)
    todo = [job for job in jobs if not _done(args, range_, job)]
    kept = [job for job in jobs if job not in todo]
    if len(todo) < len(jobs):
        _say(f"{len(jobs) - len(todo)} of {len(jobs)} pictures were already made, and are kept")
    try:
        args.out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"cannot make {args.out}: {error}; choose another --out") from None
    records = [_again(args, job) for job in kept]
    with _bar() as progress:
        records += [_write(args, range_, made) for made in range_.made(todo, progress)]
    counted = [record for record in records if not record["already"]]
    fell = sum(record["outcome"] == "success" for record in counted)
    for record in records:
        print(_line(record))
        print(f"  before: {record['clean_answer'] or '(no answer)'}")
        print(f"  after:  {record['answer'] or '(no answer)'}")
    already = len(records) - len(counted)
    rest = f"; {already} were so without any attack, and count for nothing" if already else ""
    print(f"{fell} of {len(counted)} fell{rest}; hostile files and records are in {args.out}")
    if args.json:
        said = {"fell": fell, "n": len(counted), "already": already, "items": records}
        print(json.dumps(said, ensure_ascii=False))
    unfinished = len(jobs) - sum(_finished(record) for record in records)
    if unfinished:
        _say(
            f"stopped: {unfinished} of {len(jobs)} pictures are unfinished; the best of those that "
            "were begun is kept, and the same command attacks them again"
        )
    lost = bool(records) and all(record["outcome"] == "unassessed" for record in records)
    return 1 if unfinished or lost else 0


def _finished(record: dict[str, Any]) -> bool:
    """Whether there is nothing left to do: it was not stopped, or it had fallen by then."""
    return not record["stopped"] or record["outcome"] == "success"


def _range(args: argparse.Namespace) -> Range:
    """The parts, through the same names and defaults as a recipe's."""
    attack: dict[str, Any] = {"name": args.attack, "goal": "untargeted", **_params(args.set)}
    attack |= {
        k: getattr(args, k) for k in ("norm", "eps", "steps") if getattr(args, k) is not None
    }
    layers = args.defense.split("+")
    data = {
        "models": [args.model], "benchmarks": ["world/where"], "attacks": [attack],
        "defenses": [layers[0] if len(layers) == 1 else {"stack": layers}],
    }  # fmt: skip
    recipe: Recipe = resolved(parse(data))
    parts = Parts(args.device)
    (model,), (spec,), (guard,) = recipe.models, recipe.attacks, recipe.defenses
    setting = Setting(model, spec, guard, known=not args.blind, seed=args.seed)
    cheap = parts.defense(guard), parts.attack(spec), parts.judge(args.judge)
    return Range(setting, parts.model(model), *cheap)


def _params(pairs: Sequence[str]) -> dict[str, Any]:
    import yaml

    found: dict[str, Any] = {}
    for pair in pairs:
        key, sign, value = pair.partition("=")
        if not sign:
            raise UsageError(f"--set takes KEY=VALUE; {pair!r} has no `=`")
        found[key.strip()] = yaml.safe_load(value)
    return found


def _done(args: argparse.Namespace, range_: Range, job: Job) -> bool:
    """Whether the very same was made before; an error if something else stands in its place."""
    if args.out.exists() and not args.out.is_dir():
        raise UsageError(f"{args.out} is a file; choose another --out")
    if args.fresh or not _path(args.out, job, "json").exists():
        return False
    record = _record(args.out, job)
    if record.get("settings") == range_.digest(job):
        return _finished(record) and _whole(args.out, job, record)
    raise UsageError(
        f"{_path(args.out, job, 'json')} was made with other settings; choose another --out, or "
        "write over it with --fresh"
    )


def _whole(out: Path, job: Job, record: dict[str, Any]) -> bool:
    """Whether the hostile files are there, and are what the record says."""
    if "files" not in record:
        return False
    pictures, words = [out / name for name in record["files"]], _path(out, job, "hostile.txt")
    if not all(path.exists() for path in pictures):
        return False
    if record["asked"] != record["ask"] and not words.exists():
        return False
    return not pictures or [open_image(p).digest for p in pictures] == record["hostile_digest"]


def _again(args: argparse.Namespace, job: Job) -> dict[str, Any]:
    """The record of what is kept; its picture is drawn if it was not asked for before."""
    record = _record(args.out, job)
    if args.picture and not _path(args.out, job, "beside.png").exists():
        clean = job.query.images[0]
        hostile = open_image(args.out / record["files"][0]) if record["files"] else clean
        _draw(args.out, job, record, clean.pixels(), hostile.pixels())
    return record


def _draw(out: Path, job: Job, record: dict[str, Any], clean: Pixels, hostile: Pixels) -> None:
    ask, asked = record["ask"], record["asked"]
    beside(
        _path(out, job, "beside.png"), clean, hostile,
        asked=ask if ask == asked else f"{ask} (hostile: {asked})",
        before=record["clean_answer"] or "(no answer)", after=record["answer"] or "(no answer)",
        note=_line(record),
    )  # fmt: skip


def _path(out: Path, job: Job, ending: str, number: int = 0) -> Path:
    more = f".{number + 1}" if number else ""
    return out / f"{job.name}{more}.{ending}"


def _record(out: Path, job: Job) -> dict[str, Any]:
    path = _path(out, job, "json")
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"cannot read {path} ({error}); write over it with --fresh") from None


def _write(args: argparse.Namespace, range_: Range, made: Made) -> dict[str, Any]:
    """The hostile files first; then they are read again, scored, and their record written.

    What an attack left as it was given is no file: neither pictures under other words, nor words
    beside other pictures. What an earlier attack left in this one's place is taken away.
    """
    hostile, job = made.hostile.query, made.job
    images = hostile.images if made.repainted or not made.reworded else ()
    paths = [_path(args.out, job, "hostile.png", n) for n in range(len(images))]
    for path, image in zip(paths, images, strict=True):
        files.replace(path, encode(image, pack=True))
    words = _path(args.out, job, "hostile.txt")
    if made.reworded:
        files.replace(words, hostile.user_text.encode())
    else:
        words.unlink(missing_ok=True)
    if not paths:
        _path(args.out, job, "hostile.png").unlink(missing_ok=True)
    record = range_.record(made, paths)
    text = json.dumps(record, ensure_ascii=False, indent=1)
    files.replace(_path(args.out, job, "json"), text.encode())
    if args.picture:
        _draw(args.out, job, record, made.query.images[0].pixels(), hostile.images[0].pixels())
    else:
        _path(args.out, job, "beside.png").unlink(missing_ok=True)
    return record


def _line(record: dict[str, Any]) -> str:
    budget, size = record["budget"][0], ""
    if budget.get("largest"):
        size = f", no pixel changed by more than {budget['largest']:g} of 255"
        if record["norm"] == "l2":
            size = f", changed by {budget['l2']:g}/255 in all (l2)"
    asked = f'; asked "{record["asked"]}"' if record["asked"] != record["ask"] else ""
    flags = f" [{', '.join(record['flags'])}]" if record["flags"] else ""
    words = record["outcome"] if record["outcome"] != "success" else "fell"
    if record["already"]:
        words = "so without any attack"
    stopped = "" if _finished(record) else ", stopped before its end"
    name = Path(record["image"]).name
    return f"{name}: {words}{stopped} ({record['reason']}{size}{asked}){flags}"


@contextmanager
def _bar() -> Iterator[Any]:
    """A bar with the loss and how many fell; the first Ctrl-C ends an attack and keeps its best."""
    bars = Progress(
        TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn(),
        console=Console(stderr=True),
    )  # fmt: skip
    task, asked = bars.add_task("  attack", total=None), [False]

    def ask(*_: object) -> None:
        if asked[0]:
            raise KeyboardInterrupt
        asked[0] = True

    def progress(going: Going) -> None:
        bars.update(task, completed=going.done, total=going.total, description=told(going))
        if asked[0] and going.done < going.total:
            raise Enough

    before = signal.signal(signal.SIGINT, ask)
    try:
        with bars:
            yield progress
    finally:
        signal.signal(signal.SIGINT, before)


def _say(text: str) -> None:
    print(f"sallet: {text}", file=sys.stderr)
