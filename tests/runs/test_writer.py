"""Files in the background: whole and durable at `settle`, in their order, errors told."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from sallet.core.errors import StoreError
from sallet.runs.writer import Writer


def test_everything_that_was_put_is_there_at_settle(tmp_path: Path):
    writer = Writer()
    for number in range(40):
        writer.put(tmp_path / f"{number}", lambda number=number: bytes([number]) * 1000)
    writer.settle()
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {
        f"{number}": bytes([number]) * 1000 for number in range(40)
    }


def test_the_caller_goes_on_while_a_file_is_made(tmp_path: Path):
    writer, going = Writer(), threading.Event()

    def slow() -> bytes:
        assert going.wait(10)
        return b"made"

    writer.put(tmp_path / "slow", slow)
    assert not (tmp_path / "slow").exists()
    going.set()
    writer.settle()
    assert (tmp_path / "slow").read_bytes() == b"made"


def test_a_file_on_its_way_is_not_made_again(tmp_path: Path):
    writer, going, made = Writer(), threading.Event(), [0]

    def counted() -> bytes:
        made[0] += 1
        assert going.wait(10)
        return b""

    for _ in range(5):
        writer.put(tmp_path / "one", counted)
    going.set()
    writer.settle()
    assert made == [1]


def test_what_comes_after_waits_for_what_was_before(tmp_path: Path):
    writer, going = Writer(), threading.Event()
    writer.put(tmp_path / "image", lambda: b"image" if going.wait(10) else b"")
    writer.put_after(tmp_path / "batch", b"names the image")
    assert not (tmp_path / "batch").exists()
    going.set()
    writer.settle()
    assert {path.name for path in tmp_path.iterdir()} == {"image", "batch"}


def test_what_cannot_be_written_is_told_at_settle_and_nothing_comes_after_it(tmp_path: Path):
    writer = Writer()
    writer.put(tmp_path / "missing" / "image", lambda: b"image")
    writer.put_after(tmp_path / "batch", b"names the image")
    with pytest.raises(StoreError, match="cannot write"):
        writer.settle()
    assert not (tmp_path / "batch").exists()
    writer.settle()  # told once; what is put next is another matter
    writer.put(tmp_path / "next", lambda: b"next")
    writer.settle()
    assert (tmp_path / "next").exists()


def test_a_closed_writer_left_nothing_on_its_way(tmp_path: Path):
    before, writer = {*threading.enumerate()}, Writer()
    for number in range(20):
        writer.put(tmp_path / f"{number}", lambda: b"x")
    writer.close()
    assert len(list(tmp_path.iterdir())) == 20
    assert before.issuperset(threading.enumerate())
