"""Doubts that only a comparison of cells can raise."""

from __future__ import annotations

from dataclasses import replace

from sallet.harness.doubts import with_doubts
from sallet.harness.metrics import cells
from sallet.runs.record import CellKey
from tests.harness.handmade import KEY, rows


def flags(*parts: tuple[CellKey, int]) -> list[tuple[str, ...]]:
    """The flags of cells with so many successes of 40."""
    made = [row for key, won in parts for row in rows("s" * won + "r" * (40 - won), key)]
    return [cell.flags for cell in with_doubts(cells(made))]


def test_a_larger_eps_that_does_less():
    assert flags((KEY, 30), (replace(KEY, eps=16.0), 10)) == [(), ("larger-eps-not-better",)]
    assert flags((KEY, 30), (replace(KEY, eps=16.0), 29)) == [(), ()]


def test_an_adaptive_attack_that_does_less():
    jpeg = replace(KEY, defense="jpeg")
    adaptive = replace(jpeg, access="adaptive")
    assert flags((jpeg, 30), (adaptive, 10)) == [(), ("oblivious-beats-adaptive",)]
    assert flags((jpeg, 10), (adaptive, 30)) == [(), ()]


def test_noise_that_does_as_much():
    attack = replace(KEY, params={"steps": 10})
    noise = replace(KEY, attack="uniform-noise", access="none")
    assert flags((noise, 20), (attack, 22)) == [(), ("noise-nearly-as-good",)]
    assert flags((noise, 1), (attack, 30)) == [(), ()]
    assert flags((replace(noise, eps=4.0), 20), (attack, 22)) == [(), ()]


def test_other_settings_of_a_defence_are_another_defence():
    noise = replace(KEY, attack="uniform-noise", access="none", params={"defense.copies": 3})
    attack = replace(KEY, params={"steps": 10, "defense.copies": 9})
    assert flags((noise, 20), (attack, 22)) == [(), ()]
