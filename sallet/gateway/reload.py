"""A policy that is read again when its file changes; a wrong one is said, and changes nothing."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import signal
from collections.abc import Callable
from pathlib import Path

from sallet.core.errors import SalletError
from sallet.gateway.gate import Gate
from sallet.gateway.policy import Policy
from sallet.gateway.said import say
from sallet.gateway.warm import warmed

EVERY = 1.0  # seconds between looks at the policy's file
FIXED = ("batching", "audit", "rates", "limits")  # what a running process keeps


def nobody(policy: Policy) -> None:
    """Nobody has to be told of a policy that was taken."""


async def watch(
    gate: Gate,
    source: Path,
    read: Callable[[], Policy],
    *,
    taken: Callable[[Policy], None] = nobody,
    at_once: bool = False,
) -> None:
    """Reads the policy again when its file has changed, or at SIGHUP; `at_once` the first time.

    A file that was changed a moment ago may be half written, and half a policy is a weaker one: it
    is read when it has been the same for two looks.
    """
    asked = asyncio.Event()
    loop = asyncio.get_running_loop()
    with contextlib.suppress(NotImplementedError, RuntimeError, ValueError, AttributeError):
        loop.add_signal_handler(signal.SIGHUP, asked.set)
    stamp = seen = None if at_once else _stamp(source)
    while True:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(EVERY):
                await asked.wait()
        now = _stamp(source)
        changed = now != stamp and now == seen
        seen = now
        if asked.is_set() or changed:
            asked.clear()
            stamp = now
            if await reload(gate, read):
                taken(gate.rules.policy)


async def reload(gate: Gate, read: Callable[[], Policy]) -> bool:
    """Puts today's policy in place of the one before, if it is right; says which."""
    try:
        policy = await asyncio.to_thread(read)
        rules = await asyncio.to_thread(gate.built, _kept(policy, gate.rules.policy))
        for line in await warmed(gate, rules):
            say(f"warning: {line}")
    except Exception as error:  # a defence of the operator's own may raise anything
        gate.gauges.reloads.labels("refused").inc()
        why = str(error) if isinstance(error, SalletError) else repr(error)
        say(f"warning: the policy is not taken, the one before holds: {why}")
        return False
    gate.rules = rules
    gate.gauges.reloads.labels("taken").inc()
    say(f"policy {rules.policy.source} holds")
    return True


def _kept(new: Policy, old: Policy) -> Policy:
    """The new policy, with what only a new process can change as it was."""
    for name in FIXED:
        if getattr(new, name) != getattr(old, name):
            say(f"warning: {name} of the policy changes only with a restart")
            new = dataclasses.replace(new, **{name: getattr(old, name)})
    return new


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
