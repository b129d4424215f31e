"""Several processes on one port, each a whole gateway; this one starts them and serves nobody.

A worker listens when it is ready and not before, so the kernel never hands a client to one that
cannot serve. One that ends is replaced, with the last policy that a worker took; one whose loop
stands still, so that it serves nobody and its deadlines do not count, is ended.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import socket
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from pathlib import Path

from sallet.core.errors import SalletError, UsageError
from sallet.gateway.job import Alive, Failed, Job, Ready, begin
from sallet.gateway.policy import Policy
from sallet.gateway.ports import address, held
from sallet.gateway.probe import probed
from sallet.gateway.said import say

PATIENCE = 30.0  # seconds for workers to end what they serve; also the longest wait for a restart
COUNTS = "PROMETHEUS_MULTIPROC_DIR"
_SPAWN = multiprocessing.get_context("spawn")


def serve(
    policy: Policy,
    *,
    host: str,
    port: int,
    read: Callable[[], Policy],
    source: Path | None,
    probe: bool,
    workers: int,
) -> int:
    """Serves until a signal; 0, or an error where the first worker could not begin."""
    if not hasattr(socket, "SO_REUSEPORT"):
        raise UsageError("this system cannot share a port between processes; leave out --workers")
    with held(host, port) as port_of_ours:
        if probe:
            probed(policy)
        job = Job(policy, host, port_of_ours.getsockname()[1], workers, read, source, again=False)
        with _shared_counts(workers) as counts:
            Crew(job, counts, address(port_of_ours)).run()
    return 0


@dataclass(eq=False)
class Worker:
    """A process and the line that it reports on."""

    number: int
    process: SpawnProcess
    line: Connection
    ready: bool = False
    heard: float = 0.0  # when it last said anything


@dataclass
class Crew:
    """The workers: started, replaced, told of signals, ended."""

    job: Job
    counts: Path
    shown: str
    workers: dict[int, Worker] = field(default_factory=dict[int, Worker])
    due: dict[int, float] = field(default_factory=dict[int, float])  # when to start which
    failures: dict[int, int] = field(default_factory=dict[int, int])  # starts that failed in a row
    begun: bool = False  # whether any worker was ever ready
    stopping: bool = False

    def run(self) -> None:
        """Until SIGTERM or an interrupt. The first worker is waited for: it finds what is wrong."""
        self.due[1] = 0.0
        with _signals() as heard:
            try:
                while not self.stopping:
                    self._start_due()
                    self._wait(heard)
                    self._end_silent()
            finally:
                self._end()

    def _start_due(self) -> None:
        now = time.monotonic()
        for number in [n for n, at in self.due.items() if at <= now]:
            del self.due[number]
            ours, theirs = _SPAWN.Pipe()
            process = _SPAWN.Process(
                target=begin,
                args=(replace(self.job, again=number in self.failures), theirs),
                name=f"worker {number}",
            )
            process.start()
            theirs.close()
            self.workers[number] = Worker(number, process, ours)

    def _wait(self, heard: Connection) -> None:
        silent = (one.heard + self._patience for one in self.workers.values() if one.ready)
        soonest = min((*self.due.values(), *silent), default=None)
        for_ = None if soonest is None else max(0.0, soonest - time.monotonic())
        lines = {worker.line: worker for worker in self.workers.values()}
        for one in wait([heard, *lines], for_):
            if one is heard:
                self._signal(heard.recv())
            else:
                self._hear(lines[one])  # pyright: ignore[reportArgumentType]

    def _signal(self, number: int) -> None:
        if number != signal.SIGHUP:
            self.stopping = True
            return
        for worker in self.workers.values():
            if worker.ready:
                _send(worker, signal.SIGHUP)

    def _hear(self, worker: Worker) -> None:
        """What a worker says; at the end of its line, it has ended."""
        try:
            told = worker.line.recv()
        except (EOFError, OSError):
            self._ended(worker)
            return
        worker.heard = time.monotonic()
        match told:
            case Alive():
                pass
            case Ready():
                self._is_ready(worker)
            case Policy():
                self.job = replace(self.job, policy=told)
            case Failed(why, misused) if not self.begun:
                raise (UsageError if misused else SalletError)(why)
            case Failed(why, _):
                say(f"warning: worker {worker.number} cannot begin: {why}")
            case _:
                raise AssertionError(told)

    def _is_ready(self, worker: Worker) -> None:
        worker.ready = True
        self.failures[worker.number] = 0
        if not self.begun:
            self.begun = True
            self.due |= dict.fromkeys(range(2, self.job.workers + 1), 0.0)
        if sum(one.ready for one in self.workers.values()) == self.job.workers:
            policy = self.job.policy.source
            say(f"ready on {self.shown}, policy {policy}, {self.job.workers} workers")

    def _ended(self, worker: Worker) -> None:
        from prometheus_client.multiprocess import mark_process_dead

        worker.process.join(PATIENCE)
        worker.line.close()
        del self.workers[worker.number]
        mark_process_dead(worker.process.pid, str(self.counts))
        code = worker.process.exitcode
        if not self.begun:
            raise SalletError(f"the first worker ended before it could serve (exit code {code})")
        failed = self.failures[worker.number] = (
            0 if worker.ready else self.failures.get(worker.number, 0) + 1
        )
        pause = 0.0 if worker.ready else min(PATIENCE, 2.0**failed)
        self.due[worker.number] = time.monotonic() + pause
        say(f"warning: worker {worker.number} ended (exit code {code}); another takes its place")

    @property
    def _patience(self) -> float:
        """Seconds without a sign of life after which a worker that serves is ended."""
        return self.job.policy.limits.stalled_seconds

    def _end_silent(self) -> None:
        for worker in self.workers.values():
            if worker.ready and time.monotonic() - worker.heard > self._patience:
                say(f"warning: worker {worker.number} has stood still for {self._patience:g} s")
                _send(worker, signal.SIGKILL)
                worker.heard = time.monotonic()  # its end is heard of by its line

    def _end(self) -> None:
        """Lets all of them finish what they serve, and ends those that do not."""
        for worker in self.workers.values():
            _send(worker, signal.SIGTERM)
        until = time.monotonic() + PATIENCE
        for worker in self.workers.values():
            worker.process.join(max(0.0, until - time.monotonic()))
            if worker.process.is_alive():
                worker.process.kill()
                worker.process.join()
            worker.line.close()


def _send(worker: Worker, number: signal.Signals) -> None:
    if worker.process.is_alive() and worker.process.pid is not None:
        os.kill(worker.process.pid, number)


@contextlib.contextmanager
def _signals() -> Iterator[Connection]:
    """Where the signals that are meant for us arrive, by number."""
    ours, theirs = _SPAWN.Pipe(duplex=False)
    numbers = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
    before = {one: signal.signal(one, lambda n, _: theirs.send(n)) for one in numbers}
    try:
        yield ours
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)


@contextlib.contextmanager
def _shared_counts(workers: int) -> Iterator[Path]:
    """A folder in which workers keep their counts, and threads for all of them together."""
    before = dict(os.environ)
    with tempfile.TemporaryDirectory(prefix="sallet-counts-") as folder:
        os.environ[COUNTS] = folder
        os.environ.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // workers)))
        try:
            yield Path(folder)
        finally:
            os.environ.clear()
            os.environ.update(before)
