"""A worker gives the same result under limits, and none of its ends is the caller's."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

from sallet.core.errors import Broken, ContractError, TooManyBytes, TooSlow, UsageError
from sallet.media import replies
from sallet.media.canonical import canonical
from sallet.media.limits import MIB, Limits, Sees
from sallet.media.process import Gone, Process
from sallet.media.worker import Workers
from tests.media.corpus.build import PICTURE, exif, jpeg, saved, segment, with_segments
from tests.media.corpus.png import GOOD, million

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


@contextmanager
def started(memory: int) -> Iterator[Process]:
    process = Process(memory)
    try:
        yield process
    finally:
        process.kill()


def test_it_sees_what_a_model_will_see(workers: Workers):
    data = jpeg(np.full((90, 160, 3), 7, np.uint8))
    seen = workers.canonical(data, sees=Sees(side=40))
    assert seen.image.size == (22, 40)
    assert seen.digest == canonical(data, sees=Sees(side=40)).digest


@LINUX
def test_it_knows_no_torch_and_no_secrets(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    with Workers() as workers:
        workers.canonical(GOOD)
        (pid,) = workers.pids
        assert b"sk-secret" not in Path(f"/proc/{pid}/environ").read_bytes()
        loaded = Path(f"/proc/{pid}/maps").read_text()
        assert "PIL" in loaded
        assert "torch" not in loaded
        assert "numpy" not in loaded
        assert workers.peak < 64 * MIB


def test_a_worker_that_hangs_is_replaced():
    with Workers(limits=Limits(patience=1)) as workers:
        workers.canonical(GOOD)
        (pid,) = workers.pids
        os.kill(pid, signal.SIGSTOP)
        with pytest.raises(TooSlow) as caught:
            workers.canonical(GOOD)
        assert str(caught.value) == TooSlow.text
        assert workers.canonical(GOOD).format == "png"
        assert workers.pids != (pid,)


def test_a_worker_that_crashes_over_a_file_is_replaced():
    with Workers() as workers:
        workers.canonical(GOOD)
        (pid,) = workers.pids
        os.kill(pid, signal.SIGSTOP)
        coming = workers.submit(GOOD)
        while workers.pids:
            time.sleep(0.01)
        os.kill(pid, signal.SIGKILL)
        with pytest.raises(Broken):
            coming.result()
        assert workers.canonical(GOOD).format == "png"


def test_a_worker_that_died_idle_costs_no_file():
    with Workers() as workers:
        workers.canonical(GOOD)
        (pid,) = workers.pids
        os.kill(pid, signal.SIGKILL)
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        assert workers.canonical(GOOD).format == "png"


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not hold RLIMIT_DATA")
def test_the_system_holds_the_memory_limit():
    told = asdict(Limits(memory=4096 * MIB))  # so that the header passes
    job = {"kind": "image", "claimed": None, "sees": None, "limits": told}
    with started(160 * MIB) as process:
        said, payload = process.ask(job, million(), 2**30, 60)
    assert (said["refused"], payload) == ("too-much-memory", b"")
    assert said["peak"] < 160 * MIB


def test_a_worker_that_cannot_start_says_so():
    with started(1) as process, pytest.raises(ContractError, match="did not start"):
        process.ask({}, b"", 0, 1)


def test_a_reply_that_is_too_long_is_none():
    job = {"kind": "image", "claimed": None, "sees": None, "limits": asdict(Limits())}
    with started(256 * MIB) as process, pytest.raises(Gone):
        process.ask(job, GOOD, 10, 60)


def test_many_at_once_keep_their_results():
    pictures = [np.full((8 + n, 9, 3), n, np.uint8) for n in range(30)]
    with Workers(2) as workers:
        coming = [workers.submit(saved(picture, "PNG")) for picture in pictures]
        for picture, future in zip(pictures, coming, strict=True):
            assert np.array_equal(future.result().image.pixels(), picture)
        assert len(workers.pids) == 2


def test_asyncio_waits_for_it(workers: Workers):
    async def both() -> list[str]:
        jobs = [asyncio.wrap_future(workers.submit(GOOD)) for _ in range(2)]
        return [made.digest for made in await asyncio.gather(*jobs)]

    first, second = asyncio.run(both())
    assert first == second == canonical(GOOD).digest


def test_too_many_bytes_never_reach_a_worker(workers: Workers):
    with pytest.raises(TooManyBytes):
        workers.canonical(bytes(workers.limits.encoded + 1))


def test_limits_that_make_no_sense_are_errors():
    with pytest.raises(UsageError, match="give 1 or more"):
        Workers(0)
    with pytest.raises(UsageError, match="give a number above 0"):
        Limits(pixels=0)
    with pytest.raises(UsageError, match="cannot start"):
        Limits(memory=MIB)
    with pytest.raises(UsageError, match="blind"):
        Sees(side=0)


RIGHT = {"format": "png", "width": 5, "height": 4, "flags": []}


def test_a_reply_that_holds_together_is_believed():
    assert replies.image(RIGHT, bytearray(60), Limits(), None).width == 5


@pytest.mark.parametrize(
    "wrong",
    [
        {"width": 6},
        {"width": -5, "height": -4},
        {"width": True, "height": 20},
        {"width": "5"},
        {"format": "exe"},
        {"format": ["png"]},
        {"flags": ["<script>"]},
        {"flags": {"alpha": 1}},
        {"flags": [["alpha"]]},
        {"height": None},
    ],
    ids=str,
)
def test_a_worker_that_was_taken_over_is_not_believed(wrong: dict[str, object]):
    with pytest.raises(Broken):
        replies.image({**RIGHT, **wrong}, bytearray(60), Limits(), None)


def test_a_reply_beyond_the_limits_is_not_believed():
    with pytest.raises(Broken):
        replies.image(RIGHT, bytearray(60), Limits(side=4), None)
    with pytest.raises(Broken):
        replies.image(RIGHT, bytearray(60), Limits(), Sees(side=4))
    said = {"format": "wav", "rate": 8000, "channels": 1, "flags": []}
    assert replies.sound(said, bytearray(8), Limits()).rate == 8000
    for wrong in ({"rate": 1}, {"channels": 3}, {"channels": 0}, {"format": "png"}):
        with pytest.raises(Broken):
            replies.sound({**said, **wrong}, bytearray(8), Limits())


SIDE = 2600
RED = np.zeros((SIDE, SIDE, 3), np.uint8) + np.array([200, 30, 40], np.uint8)
CLEAR = np.full((SIDE, SIDE, 1), 100, np.uint8)
WORST = {
    "png": lambda: saved(RED, "PNG", compress_level=1),
    "png-alpha": lambda: saved(np.dstack([RED, CLEAR]), "PNG", "LA", compress_level=1),
    "png-key": lambda: saved(RED[:2500], "PNG", "P", compress_level=1, transparency=0),
    "jpeg-cmyk": lambda: saved(RED, "JPEG", "CMYK", progressive=True, quality=50),
    "jpeg-progressive": lambda: saved(RED, "JPEG", progressive=True, subsampling=0),
    "gif": lambda: saved(RED, "GIF", "P"),
    "webp": lambda: saved(RED[:2200, :2200], "WEBP", quality=30, method=0),
    "webp-alpha": lambda: saved(np.dstack([RED, CLEAR])[:2200, :2200], "WEBP", method=0),
}


@pytest.mark.parametrize("name", WORST)
def test_what_passes_the_header_fits_in_memory(name: str):
    data = WORST[name]()
    if data.startswith(b"\xff\xd8"):
        data = with_segments(data, segment(0xE1, b"Exif\0\0" + exif(6)))
    with Workers(limits=Limits(memory=184 * MIB, patience=60)) as workers:
        assert min(workers.canonical(data).image.size) >= 2200
        assert 64 * MIB < workers.peak < 184 * MIB


def test_the_same_file_costs_what_it_did_the_first_time(workers: Workers):
    assert {workers.canonical(jpeg()).digest for _ in range(50)} == {canonical(jpeg()).digest}
    assert np.abs(workers.canonical(jpeg()).image.pixels().astype(int) - PICTURE).max() <= 6
