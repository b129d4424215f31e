"""`sallet export DIR --format X`: a run in the format of another tool."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from sallet.cli.ending import exit_code, limits_of
from sallet.cli.report import tell_unfinished
from sallet.core.errors import StoreError, UsageError
from sallet.report.export.formats import FORMATS, Format, find
from sallet.report.export.options import Options
from sallet.report.export.source import Source
from sallet.report.export.write import save, text
from sallet.runs.store import Store


def run(args: argparse.Namespace) -> int:
    """Writes the export; then, if limits were given, the exit code is as of a run that has them."""
    form, name = find(args.format), args.format
    options = _options(args, form)
    out = None if args.out in (None, Path("-")) else args.out
    if out is None and args.json:
        raise UsageError("--json says where the export is: give it --out FILE, too")
    store = Store.begun(args.folder)
    tell_unfinished(store)
    source = Source.of(store)
    if out is None:
        sys.stdout.buffer.write(text(source, name, options))
        sys.stdout.buffer.flush()
    else:
        save(source, name, options, out, force=args.force)
    if args.json:
        told = {"out": str(out), "format": name, "what": options.what, "rows": len(source.rows)}
        print(json.dumps({**told, "cells": len(source.arms)}))
    if store.lacking and (options.limits.over or options.limits.under):
        raise StoreError(
            "a run that is not finished passes no limit and fails none; finish it with "
            f"`sallet evaluate RECIPE --out {store.folder} --resume`, or leave the limits out"
        )
    return exit_code(store, source.summary["cells"], options.limits) if form.limits else 0


def _options(args: argparse.Namespace, form: Format) -> Options:
    what = args.what or form.what[0]
    if what not in form.what:
        raise UsageError(f"{args.format} has {' or '.join(form.what)}, no {what}")
    limited = [name for name, one in FORMATS.items() if one.limits]
    if not form.limits and (args.fail_over or args.fail_under or args.at):
        raise UsageError(f"limits and --at are for {' and '.join(limited)}, not for {args.format}")
    return Options(
        what=what,
        limits=limits_of(args),
        images=not args.no_images,
        place=args.at,
    )
