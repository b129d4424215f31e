"""`sallet evaluate`: a recipe, by file or by flags, to rows, a summary and a page."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from sallet.cli import dry
from sallet.cli.ending import Ending, ended, kept, say
from sallet.cli.overrides import override
from sallet.cli.progress import Bars
from sallet.core.errors import UsageError
from sallet.harness.evaluate import evaluate
from sallet.harness.parts import Parts
from sallet.harness.plan import Plan, plan
from sallet.harness.work import effort, work
from sallet.report import purified
from sallet.runs.answers import Answers, default_path
from sallet.runs.parse import parse, read
from sallet.runs.store import Store, opened


def run(args: argparse.Namespace) -> int:
    """Runs, resumes or only plans the recipe."""
    ending = Ending.of(args)
    if args.workers < 1:
        raise UsageError(f"--workers is at least 1, not {args.workers}")
    recipe = parse(override(read(args.recipe) if args.recipe else {}, args))
    parts = Parts(args.device)
    planned = plan(recipe, parts).only(_only(args.only))
    for note in planned.notes:
        say(f"note: {note}")
    if args.dry_run:
        return dry.show(planned, parts, as_json=args.json)
    out = args.out or Path("runs") / recipe.name
    words = args.words if args.resume else [*args.words, "--resume"]
    with opened(out, planned.recipe, resume=args.resume) as store:
        if args.executor == "ray":
            return _on_ray(planned, parts, store, ending, words, args)
        return execute(planned, parts, store, ending, words=words, cache=Cache.of(args))


def _on_ray(
    planned: Plan,
    parts: Parts,
    store: Store,
    ending: Ending,
    words: Sequence[str],
    args: argparse.Namespace,
) -> int:
    """The same on a Ray cluster: same rows."""
    from sallet.harness import on_ray

    with kept(store, words), bars(planned, parts) as watch:
        on_ray.evaluate(
            planned, store, only=_only(args.only), workers=args.workers,
            address=args.ray_address, device=args.device, watch=watch,
        )  # fmt: skip
    purified.keep(planned, parts, store)
    return ended(store, ending)


@dataclass(frozen=True)
class Cache:
    """Where answers are remembered across runs (None: nowhere), and whether endpoints' are."""

    path: Path | None = None
    endpoints: bool = False

    @classmethod
    def of(cls, args: argparse.Namespace) -> Cache:
        """As the flags say."""
        return cls(None if args.no_cache else args.cache or default_path(), args.cache_endpoints)


def execute(
    planned: Plan,
    parts: Parts,
    store: Store,
    ending: Ending,
    *,
    words: Sequence[str],
    cache: Cache,
) -> int:
    """Evaluates the plan and shows it; `words` is the command that would go on."""
    known = Answers(cache.path, tell=lambda text: say(f"note: {text}"))
    with kept(store, words), bars(planned, parts) as watch, closing(known):
        evaluate(planned, store, parts, watch, cache=known, cache_endpoints=cache.endpoints)
    purified.keep(planned, parts, store)
    if known.hits:
        say(f"note: {known.hits} answers were known from earlier runs ({cache.path})")
    return ended(store, ending)


def bars(planned: Plan, parts: Parts) -> Bars:
    """Progress for this plan."""
    todo = zip(planned.cells, work(planned, parts), strict=True)
    efforts = [effort(cell, one, parts) for cell, one in todo]
    return Bars(efforts, [len(cell.samples) for cell in planned.cells])


def _only(pairs: list[str]) -> dict[str, str]:
    wanted: dict[str, str] = {}
    for pair in (part for text in pairs for part in text.split(",")):
        key, sign, value = pair.partition("=")
        if not sign:
            raise UsageError(f"--only takes KEY=VALUE,...; {pair!r} has no `=`")
        wanted[key.strip()] = value.strip()
    return wanted
