"""All that serves: what a policy makes (and a new policy replaces), and what outlives policies."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from sallet.core.errors import UsageError
from sallet.core.protocols import Defense
from sallet.gateway import keys, rates, stacks, upstream
from sallet.gateway.admit import Entrance
from sallet.gateway.audit import Audit
from sallet.gateway.batches import Batches
from sallet.gateway.console import Recent
from sallet.gateway.fetch import fetcher
from sallet.gateway.gauges import Gauges
from sallet.gateway.keys import Keyring
from sallet.gateway.live import timed
from sallet.gateway.policy import Policy
from sallet.gateway.stacks import Built
from sallet.gateway.tokens import COMMON, Neutral, of_tokenizer
from sallet.gateway.traces import Traces
from sallet.gateway.upstream import Server
from sallet.media.worker import Workers


@dataclass(frozen=True)
class Rules:
    """A policy and what it means: defences that are built, servers, entrances, keys."""

    policy: Policy
    stacks: Mapping[str, Built]
    defenses: Mapping[str, Defense]
    servers: Mapping[str, Server]
    entrances: Mapping[str, Entrance]
    keyring: Keyring
    admin: Keyring


class Gate:
    """One process of the gateway, of so many on one port.

    `rules` are replaced as a whole, between requests.
    """

    def __init__(self, policy: Policy, *, processes: int = 1) -> None:
        limits = policy.limits
        url = policy.rates.redis
        self.limiter: rates.Limiter = rates.Local() if url is None else rates.Shared(url)
        self.processes = processes
        self.began = time.monotonic()
        self.gauges = Gauges()
        self.audit = Audit(policy.audit)
        self.workers = Workers(limits.decode_workers, limits=limits.media)
        self.http = upstream.Connections()
        self.pixels = ThreadPoolExecutor(os.cpu_count() or 1, thread_name_prefix="sallet-pixels")
        self._work = ThreadPoolExecutor(policy.batching.threads, thread_name_prefix="sallet-work")
        self.batches = Batches(
            self._work,
            wait=policy.batching.wait_ms / 1e3,
            most_items=policy.batching.items,
            most_pixels=policy.batching.pixels,
            most_waiting=limits.queue,
            watch=self.gauges.batched,
        )
        self.traces = Traces()
        self.recent = Recent() if policy.console.key_env else None
        self.flying = 0
        self.held = 0  # bytes of bodies of requests that are not over
        self.ready = False
        try:
            self.rules = self.built(policy)
        except BaseException:
            self.workers.close()
            self.audit.close()
            raise

    def built(self, policy: Policy) -> Rules:
        """The rules of a policy; whatever is wrong with it is an error here."""
        if self.processes > 1 and policy.rated and policy.rates.redis is None:
            raise UsageError(
                f"{self.processes} workers would each count a client's requests apart: set "
                "rates.redis, or leave out --workers"
            )
        made = stacks.all_of(policy.stacks)
        return Rules(
            policy,
            made,
            {name: timed(one.defense) for name, one in made.items()},
            {n: Server(n, one, self.http) for n, one in policy.upstreams.items()},
            {name: self._entrance(policy, name) for name in policy.upstreams},
            keys.load(policy.keys),
            keys.of_env(policy.console.key_env, "console.key_env")
            if policy.console.key_env
            else Keyring(),
        )

    def _entrance(self, policy: Policy, name: str) -> Entrance:
        one = policy.upstreams[name]
        tokens: tuple[str, ...] = ()
        if policy.special_tokens:
            tokens = of_tokenizer(Path(one.special_tokens)) if one.special_tokens else COMMON
        return Entrance(
            self.workers,
            Neutral(tokens),
            one.sees,
            policy.images.refuse,
            one.vision,
            fetcher(policy.images.fetch, policy.limits.media.encoded),
            policy.limits.pixels,
        )

    def counted(self) -> None:
        """Tells the gauges what waits and flies now."""
        self.gauges.queue.set(self.batches.depth)
        self.gauges.flying.set(self.flying)
        self.gauges.ready.set(self.ready and not self.audit.broken)
        self.gauges.processes.set(1)

    async def close(self) -> None:
        """Ends what was started; requests that are still there fail."""
        self.ready = False
        await self.http.aclose()
        await self.limiter.close()
        await asyncio.to_thread(self.workers.close)
        self._work.shutdown(wait=False, cancel_futures=True)
        self.pixels.shutdown(wait=False, cancel_futures=True)
        await asyncio.to_thread(self.audit.close)
