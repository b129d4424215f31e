"""`sallet attack`: a picture, a folder or a list of them to hostile PNGs, each with its record."""

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

from sallet.cli.progress import told
from sallet.core.errors import UsageError
from sallet.core.goal import Kind
from sallet.core.protocols import Enough, Going
from sallet.harness.parts import Parts, resolved
from sallet.harness.single import Job, Made, Range, Setting
from sallet.media.encode import encode
from sallet.report.beside import beside
from sallet.runs import files
from sallet.runs.parse import parse
from sallet.runs.recipe import Recipe

PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".gif")
WANTS: dict[str, Kind] = {"say": "targeted", "stop_saying": "untargeted", "jailbreak": "jailbreak"}


def run(args: argparse.Namespace) -> int:
    """Exit code 0 if every picture was attacked, whatever came of it."""
    jobs = jobs_of(args)
    range_ = _range(args)
    todo = [job for job in jobs if not _done(args, range_, job)]
    if len(todo) < len(jobs):
        _say(f"{len(jobs) - len(todo)} of {len(jobs)} pictures were already made, and are kept")
    args.out.mkdir(parents=True, exist_ok=True)
    records = [_record(args.out, job) for job in jobs if job not in todo]
    with _bar() as progress:
        records += [_write(args, range_, made) for made in range_.made(todo, progress)]
    fell = sum(record["outcome"] == "success" for record in records)
    if len(records) < len(jobs):
        _say(f"stopped: {len(records)} of {len(jobs)} pictures are kept; the same command goes on")
    for record in records:
        print(_line(record))
    print(f"{fell} of {len(records)} fell; hostile files and records are in {args.out}")
    if args.json:
        print(json.dumps({"fell": fell, "n": len(records), "items": records}, ensure_ascii=False))
    return 0


def jobs_of(args: argparse.Namespace) -> list[Job]:
    """The pictures and what is wanted of each, as the flags and the list say."""
    path: Path = args.images
    if path.suffix.lower() == ".jsonl":
        jobs = [_listed(path, n, line, args) for n, line in _lines(path)]
    elif path.is_dir():
        found = sorted(p for p in path.iterdir() if p.suffix.lower() in PICTURES)
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
    if not isinstance(entry, dict) or not isinstance(entry.get("image"), str):
        raise UsageError(f'{where}: expected an object with "image" and a goal, got {line[:60]}')
    name = str(entry.get("id") or Path(entry["image"]).stem)
    return _job(entry, path.parent, name, args, where)


def _job(
    entry: dict[str, Any], folder: Path, name: str, args: argparse.Namespace, where: str
) -> Job:
    known = ("id", "image", "ask", "system", "naming", *WANTS)
    for key in entry:
        if key not in known:
            raise UsageError(f"{where}: unknown key {key!r}; a line may have {', '.join(known)}")
    ask = entry.get("ask") or args.ask
    if not ask:
        raise UsageError(f"{where}: nothing is asked; give --ask, or an `ask` in the list")
    given = {key: entry[key] for key in WANTS if key in entry}
    given = given or {key: getattr(args, key) for key in WANTS if getattr(args, key) is not None}
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
    return Range(
        setting, parts.model(model), parts.defense(guard), parts.attack(spec),
        parts.judge(args.judge),
    )  # fmt: skip


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
    if args.fresh or not _path(args.out, job, "json").exists():
        return False
    if _record(args.out, job).get("settings") == range_.digest(job):
        return True
    raise UsageError(
        f"{_path(args.out, job, 'json')} was made with other settings; choose another --out, or "
        "write over it with --fresh"
    )


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
    """The hostile file first; then it is read again, scored, and its record written."""
    images = made.hostile.query.images
    paths = [_path(args.out, made.job, "hostile.png", n) for n in range(len(images))]
    for path, image in zip(paths, images, strict=True):
        files.replace(path, encode(image, pack=True))
    record = range_.record(made, paths)
    text = json.dumps(record, ensure_ascii=False, indent=1)
    files.replace(_path(args.out, made.job, "json"), text.encode())
    if args.picture:
        beside(
            _path(args.out, made.job, "beside.png"),
            made.query.images[0].pixels(), images[0].pixels(),
            asked=record["asked"], before=record["clean_answer"] or "(no answer)",
            after=record["answer"] or "(no answer)", note=_line(record),
        )  # fmt: skip
    return record


def _line(record: dict[str, Any]) -> str:
    budget = record["budget"][0].get("largest")
    size = f", at most {budget:g} of 255 changed" if budget is not None else ""
    flags = f" [{', '.join(record['flags'])}]" if record["flags"] else ""
    words = record["outcome"] if record["outcome"] != "success" else "fell"
    return f"{Path(record['image']).name}: {words} ({record['reason']}{size}){flags}"


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
