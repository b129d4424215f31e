"""One of several processes on one port: it loads, listens, serves, and reports to the first."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from multiprocessing.connection import Connection

from sallet.core.errors import SalletError, UsageError
from sallet.gateway.gate import Gate
from sallet.gateway.job import Alive, Failed, Job, Ready
from sallet.gateway.main import loaded, until_stopped
from sallet.gateway.ports import bound
from sallet.gateway.reload import watch

EVERY = 1.0  # seconds between looks at what waits and flies here, and between signs of life


def work(job: Job, line: Connection) -> None:
    """A worker's life; it ends with SIGTERM, or with the process that started it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the first process hears it and ends us all
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # until the policy is watched
    try:
        gate = loaded(job.policy, processes=job.workers)
        with contextlib.ExitStack() as undo:
            undo.callback(lambda: asyncio.run(gate.close()))
            listener = bound(job.host, job.port, shared=True)
            undo.pop_all()
    except SalletError as error:
        why = "; ".join([str(error), *getattr(error, "__notes__", [])])
        line.send(Failed(why, isinstance(error, UsageError)))
        sys.exit(1)

    async def beside(gate: Gate) -> None:
        asyncio.get_running_loop().add_reader(line.fileno(), _orphaned, line)
        line.send(Ready())
        async with asyncio.TaskGroup() as jobs:
            jobs.create_task(_counted(gate, line))
            if job.source is not None:
                watched = watch(gate, job.source, job.read, taken=line.send, at_once=job.again)
                jobs.create_task(watched)

    until_stopped(gate, listener, beside)


async def _counted(gate: Gate, line: Connection) -> None:
    while True:
        gate.counted()
        line.send(Alive())
        await asyncio.sleep(EVERY)


def _orphaned(line: Connection) -> None:
    """Nothing is ever said to a worker: its line can be read only when the other end is gone."""
    asyncio.get_running_loop().remove_reader(line.fileno())
    os.kill(os.getpid(), signal.SIGTERM)
