"""One decoding process, spoken to with a deadline. Whatever it does, the caller goes on.

The child is a new interpreter and no fork, so it has none of this process's memory, threads or
open files; it gets none of its environment either, where keys may be.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import select
import subprocess
import sys
import time
from pathlib import Path
from typing import Final, cast

import sallet
from sallet.core.errors import ContractError
from sallet.media.child import LENGTHS, Said

STARTING = 60.0  # seconds that a new interpreter may take on a busy machine
_MOST_SAID = 4096
_PIPE: Final = 2**20
_ROOT: Final = str(Path(sallet.__file__).parents[1])
_START: Final = (
    "import sys; sys.path[:] = {path!r}; from sallet.media.child import main; main({memory})"
)
_PASSED: Final = ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "PATH", "TMPDIR")


class Gone(Exception):
    """The process ended, or spoke nonsense."""


class Late(Exception):
    """The deadline passed."""


class Process:
    """A started child. After `Gone` or `Late` it is of no more use; `kill` it."""

    def __init__(self, memory: int) -> None:
        code = _START.format(path=[_ROOT, *sys.path], memory=memory)
        kept = {name: os.environ[name] for name in _PASSED if name in os.environ}
        self._popen = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", code],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**kept, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
            start_new_session=True,  # an interrupt from the keyboard is the parent's to handle
            bufsize=0,
        )
        assert self._popen.stdin is not None
        assert self._popen.stdout is not None
        self._in, self._out = self._popen.stdin.fileno(), self._popen.stdout.fileno()
        for end in (self._in, self._out):
            os.set_blocking(end, False)
            with contextlib.suppress(OSError, AttributeError):  # a larger pipe is only faster
                fcntl.fcntl(end, fcntl.F_SETPIPE_SZ, _PIPE)
        self.jobs = 0
        self._ready = False

    @property
    def pid(self) -> int:
        """The system's number for it."""
        return self._popen.pid

    @property
    def alive(self) -> bool:
        """Whether it has not ended."""
        return self._popen.poll() is None

    def ask(self, job: Said, data: bytes, most: int, patience: float) -> tuple[Said, bytearray]:
        """The reply to a job: what is said, and at most `most` bytes. It is not to be trusted."""
        self._started()
        self.jobs += 1
        deadline = time.monotonic() + patience
        head = json.dumps(job).encode()
        self._send(LENGTHS.pack(len(head), len(data)) + head, deadline)
        self._send(data, deadline)
        return self._reply(deadline, most)

    def kill(self) -> None:
        """Ends the process, at whatever it is."""
        self._popen.kill()
        self._popen.wait()
        for stream in (self._popen.stdin, self._popen.stdout):
            if stream is not None:
                stream.close()

    def _started(self) -> None:
        """Waits, the first time, until the interpreter is up; that is no file's fault."""
        if self._ready:
            return
        try:
            self._reply(time.monotonic() + STARTING, 0)
        except (Gone, Late):
            raise ContractError(
                f"a decoding worker did not start within {STARTING:.0f} s; give it more memory "
                "(Limits.memory), or decode in this process with media.canonical"
            ) from None
        self._ready = True

    def _reply(self, deadline: float, most: int) -> tuple[Said, bytearray]:
        head, body = LENGTHS.unpack(self._receive(LENGTHS.size, deadline))
        if head > _MOST_SAID or body > most:
            raise Gone
        try:
            said = json.loads(self._receive(head, deadline))
        except ValueError:
            raise Gone from None
        if not isinstance(said, dict):
            raise Gone
        return cast(Said, said), self._receive(body, deadline)

    def _send(self, data: bytes, deadline: float) -> None:
        rest = memoryview(data)
        while rest:
            self._wait(self._in, select.POLLOUT, deadline)
            try:
                rest = rest[os.write(self._in, rest) :]
            except BlockingIOError:
                continue
            except OSError:
                raise Gone from None

    def _receive(self, count: int, deadline: float) -> bytearray:
        data = bytearray(count)
        rest = memoryview(data)
        while rest:
            self._wait(self._out, select.POLLIN, deadline)
            try:
                got = os.readv(self._out, [rest])
            except BlockingIOError:
                continue
            if got == 0:
                raise Gone
            rest = rest[got:]
        return data

    def _wait(self, end: int, event: int, deadline: float) -> None:
        poll = select.poll()
        poll.register(end, event)
        left = deadline - time.monotonic()
        if left <= 0 or not poll.poll(left * 1000):
            raise Late
