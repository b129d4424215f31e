"""`sallet serve`: checks everything first, then serves until it is stopped."""

from __future__ import annotations

import argparse
import importlib
import ipaddress
from functools import partial

from sallet.cli.ending import say
from sallet.core.errors import UsageError


def run(args: argparse.Namespace) -> int:
    """Starts a gateway in front of a model server."""
    importlib.import_module("sallet.gateway.http")  # what it needs is there, or it says so now
    from sallet.gateway import policy

    if args.policy is None and args.upstream is None:
        raise UsageError("say what to guard: --upstream URL, --policy FILE, or both")

    if args.workers < 1:
        raise UsageError(f"{args.workers} workers serve nobody; give --workers 1 or more")
    read = (
        partial(policy.read, args.policy, args.upstream)
        if args.policy is not None
        else partial(policy.of, {}, args.upstream)
    )
    first = read()
    if not (first.keyed or first.open or _here(args.host)):
        raise UsageError(
            f"without keys anybody who reaches {args.host} may ask: set `keys` in the policy, or "
            "say `open: true` in it"
        )
    for line in first.warnings:
        say(f"warning: {line}")
    how = {"host": args.host, "port": args.port, "read": read, "source": args.policy}
    if args.workers > 1:  # this process only starts others, and loads nothing of what serves
        from sallet.gateway import workers

        return workers.serve(first, **how, probe=not args.no_probe, workers=args.workers)
    from sallet.gateway import main

    return main.serve(first, **how, probe=not args.no_probe)


def _here(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
