"""`sallet retry DIR`: the rows that could not be assessed are taken back and made again."""

from __future__ import annotations

import argparse

from sallet.cli.ending import Ending, say
from sallet.cli.evaluate import Cache, execute
from sallet.harness.parts import Parts
from sallet.harness.retry import retried
from sallet.runs.manifest import Manifest
from sallet.runs.parse import parse
from sallet.runs.store import opened


def run(args: argparse.Namespace) -> int:
    """Withdraws rows, makes them and what is missing of their cells again, and sums up."""
    ending, parts = Ending.of(args), Parts(args.device)
    recipe = parse(Manifest.read(args.folder).recipe)
    with opened(args.folder, recipe, resume=True) as store:
        planned, taken = retried(store, parts, errors=args.errors)
        say(f"note: {taken} rows that could not be assessed are made again")
        return execute(planned, parts, store, ending, words=args.words, cache=Cache.of(args))
