"""Decoding in worker processes: the same results, under limits of memory and time.

A file that crashes its worker is `Broken`, one that outlasts the deadline `TooSlow`, one that
needs more memory than there is `TooMuchMemory`; the worker is replaced and nobody else notices.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict
from typing import TypeVar

from sallet.core.errors import Broken, MediaError, TooManyBytes, TooMuchMemory, TooSlow, UsageError
from sallet.media import audio, canonical, replies, sound
from sallet.media.child import Said
from sallet.media.limits import STRANGERS, Limits, Sees
from sallet.media.process import Gone, Late, Process

JOBS = 1_000  # files until a worker is replaced, so that what a codec leaks is bounded
_REFUSALS = {error.code: error for error in MediaError.__subclasses__()}

T = TypeVar("T")


class Workers:
    """`count` processes that decode; use it as a context, or `close` it.

    `canonical` and `canonical_audio` wait for their result; `submit` and `submit_audio` give a
    future, which asyncio awaits by `asyncio.wrap_future`. Threads are as many as workers.
    """

    def __init__(self, count: int = 1, *, limits: Limits = STRANGERS) -> None:
        if count < 1:
            raise UsageError(f"{count} workers cannot decode anything; give 1 or more")
        self.limits = limits
        self.peak = 0  # the most memory, in bytes, that a worker said it held for one file
        self._lock = threading.Lock()
        self._idle = [Process(self.limits.memory) for _ in range(count)]
        self._threads = ThreadPoolExecutor(count, thread_name_prefix="sallet-media")

    def canonical(
        self, data: bytes, *, sees: Sees | None = None, claimed: str | None = None
    ) -> canonical.Canonical:
        """What `media.canonical.canonical` gives for the same bytes, or a `MediaError`."""
        return self.submit(data, sees=sees, claimed=claimed).result()

    def canonical_audio(self, data: bytes, *, claimed: str | None = None) -> audio.CanonicalAudio:
        """What `media.audio.canonical_audio` gives for the same bytes, or a `MediaError`."""
        return self.submit_audio(data, claimed=claimed).result()

    def submit(
        self, data: bytes, *, sees: Sees | None = None, claimed: str | None = None
    ) -> Future[canonical.Canonical]:
        """The canonical image, later. The deadline runs from when a worker takes the file."""
        job = {"kind": "image", "claimed": claimed, "sees": asdict(sees) if sees else None}

        def made(said: Said, pixels: bytearray) -> canonical.Canonical:
            whole = canonical.dressed(replies.image(said, pixels, self.limits, sees))
            _ = whole.digest  # here, beside whoever waits, and once
            return whole

        return self._threads.submit(self._work, job, data, 3 * self.limits.pixels, made)

    def submit_audio(
        self, data: bytes, *, claimed: str | None = None
    ) -> Future[audio.CanonicalAudio]:
        """The canonical sound, later."""

        def made(said: Said, samples: bytearray) -> audio.CanonicalAudio:
            return audio.dressed(replies.sound(said, samples, self.limits))

        sound.library()  # where it is missing, no file is to blame
        job = {"kind": "sound", "claimed": claimed}
        return self._threads.submit(self._work, job, data, 2 * self.limits.samples, made)

    @property
    def pids(self) -> tuple[int, ...]:
        """The process numbers of the workers that wait for a file."""
        with self._lock:
            return tuple(process.pid for process in self._idle)

    def close(self) -> None:
        """Waits for what was submitted, then ends every worker."""
        self._threads.shutdown()
        with self._lock:
            idle, self._idle = self._idle, []
        for process in idle:
            process.kill()

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _work(self, job: Said, data: bytes, most: int, made: Callable[[Said, bytearray], T]) -> T:
        if len(data) > self.limits.encoded:
            raise TooManyBytes
        process = self._take()
        kept = False
        refused: type[MediaError] | None = None
        said, payload = {}, bytearray()
        try:
            said, payload = process.ask(
                {**job, "limits": asdict(self.limits)}, data, most, self.limits.patience
            )
            if "refused" in said:
                refused = _REFUSALS.get(str(said["refused"]), Broken)
            # What ran out of memory may still hold a part of it.
            kept = refused is not TooMuchMemory and process.jobs < JOBS
        except Late:
            refused = TooSlow
        except Gone:
            refused = Broken
        finally:
            self._put_back(process, kept)
        self._note(said)
        if refused is not None:
            raise refused
        return made(said, payload)

    def _take(self) -> Process:
        """A worker that is up: one that died while it had nothing to do says nothing of a file."""
        with self._lock:
            process = self._idle.pop()
        if process.alive:
            return process
        process.kill()
        return Process(self.limits.memory)

    def _put_back(self, process: Process, kept: bool) -> None:
        """Every thread that takes a worker gives one back, so none ever waits in vain."""
        if not kept:
            process.kill()
            process = Process(self.limits.memory)
        with self._lock:
            self._idle.append(process)

    def _note(self, said: Said) -> None:
        peak = said.get("peak")
        if isinstance(peak, int):
            with self._lock:
                self.peak = max(self.peak, peak)
