"""What runs in a worker process: decodes one file after the other, under limits, and knows nothing.

It is started with an empty environment, may not write files or dump core, and its memory is bound
by the system. Its parent believes nothing that it says without looking.

A message is two lengths of four bytes, then JSON, then bytes. Jobs come on standard input, replies
go to standard output; when the input ends, so does the process.
"""

from __future__ import annotations

import json
import os
import resource
import struct
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO, Final, TypeAlias

from sallet.core.errors import MediaError
from sallet.media import sound
from sallet.media.decode import decode
from sallet.media.limits import MIB, Limits, Sees

LENGTHS: Final = struct.Struct(">II")
# Pages of the libraries' own files count as resident memory, but not as data.
_LIBRARIES: Final = 64 * MIB
_LEAST: Final = 16 * MIB

Said: TypeAlias = dict[str, Any]


def main(memory: int) -> None:
    """Answers jobs until there are none."""
    jobs, replies = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints is no reply
    bind(memory)
    bytearray(_LEAST)  # without so much the process ends here, and is never ready
    send(replies, {"ready": True}, b"")
    while (job := receive(jobs)) is not None:
        _forget_peak()
        said, payload = answer(*job)
        send(replies, {**said, "peak": peak()}, payload)


def answer(job: Said, data: bytes) -> tuple[Said, bytes | bytearray]:
    """What came of a file: its pixels or samples, or the code of an error."""
    try:
        return _KINDS[job["kind"]](job, data)
    except MediaError as error:
        return {"refused": error.code}, b""


def _image(job: Said, data: bytes) -> tuple[Said, bytes | bytearray]:
    decoded = decode(
        data,
        limits=Limits(**job["limits"]),
        sees=Sees(**job["sees"]) if job["sees"] else None,
        claimed=job["claimed"],
    )
    said = {
        "format": decoded.format,
        "width": decoded.width,
        "height": decoded.height,
        "flags": sorted(decoded.flags),
    }
    return said, decoded.pixels


def _sound(job: Said, data: bytes) -> tuple[Said, bytes | bytearray]:
    heard = sound.decode(data, limits=Limits(**job["limits"]), claimed=job["claimed"])
    said = {
        "format": heard.format,
        "rate": heard.rate,
        "channels": heard.channels,
        "flags": sorted(heard.flags),
    }
    return said, heard.samples


_KINDS: Final[Mapping[str, Callable[[Said, bytes], tuple[Said, bytes | bytearray]]]] = {
    "image": _image,
    "sound": _sound,
}


def bind(memory: int) -> None:
    """From here on the process can neither grow beyond `memory` nor leave anything behind."""
    for what, most in (
        (resource.RLIMIT_DATA, max(memory - _LIBRARIES, 0)),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
    ):
        with suppress(OSError, ValueError):  # a system that has no such limit
            resource.setrlimit(what, (most, most))


def peak() -> int:
    """The most memory that was resident since the last file, in bytes."""
    with suppress(OSError):
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def _forget_peak() -> None:
    """Starts measuring anew, where the system can; elsewhere the peak is the process's."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def receive(source: BinaryIO) -> tuple[Said, bytes] | None:
    """The next message, or None when there is none."""
    lengths = source.read(LENGTHS.size)
    if len(lengths) < LENGTHS.size:
        return None
    head, body = LENGTHS.unpack(lengths)
    return json.loads(source.read(head)), source.read(body)


def send(target: BinaryIO, said: Said, payload: bytes | bytearray) -> None:
    """Writes one message."""
    head = json.dumps(said).encode()
    target.write(LENGTHS.pack(len(head), len(payload)) + head)
    target.write(payload)
    target.flush()
