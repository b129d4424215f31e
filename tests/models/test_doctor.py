"""What the doctor says, and what the presets promise."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys

import pytest

from sallet.core.errors import UnknownName
from sallet.models.doctor import Device, Package, Report, render, report
from sallet.models.presets import PRESETS, resolve


def test_this_machine_is_reported() -> None:
    seen = report()
    assert seen.ready  # these tests need what local models need
    assert seen.cores >= 1
    assert seen.devices[-1].name == "cpu"
    assert 0 < seen.devices[-1].free_gb <= seen.devices[-1].total_gb
    assert {fit.preset for fit in seen.fits} == set(PRESETS)
    assert json.loads(json.dumps(dataclasses.asdict(seen)))["cores"] == seen.cores


def test_what_is_bad_is_marked() -> None:
    seen = dataclasses.replace(
        report(), packages=(Package("transformers", "4.57.0", ">=5.17,<6", False),)
    )
    assert not seen.ready
    assert "BAD transformers" in render(seen)
    assert "cannot run here yet" in render(seen)


@pytest.mark.parametrize(("free", "fits"), [(0.5, False), (2000.0, True)])
def test_a_preset_fits_where_its_memory_is(
    monkeypatch: pytest.MonkeyPatch, free: float, fits: bool
) -> None:
    monkeypatch.setattr("sallet.models.doctor._memory", lambda _: Device("cpu", free, free, True))
    monkeypatch.setattr("sallet.models.doctor._cuda", tuple)
    seen: Report = report()
    assert all((fit.bf16_on == "cpu") is fits for fit in seen.fits)


def test_memory_follows_the_stated_formula() -> None:
    preset = PRESETS["qwen2.5-vl-7b"]
    assert preset.gigabytes("bf16") == round(preset.billions * 2 * 1.2 + 1, 1)
    assert preset.gigabytes("4bit") < preset.gigabytes("bf16") / 2


def test_names_resolve() -> None:
    assert resolve("gemma3-4b") == "google/gemma-3-4b-it"
    assert resolve("someone/some-model") == "someone/some-model"
    assert resolve("./folder") == "./folder"
    with pytest.raises(UnknownName, match="did you mean gemma3-4b"):
        resolve("gemma-4b")
    assert len({preset.hub for preset in PRESETS.values()}) == len(PRESETS)


def test_presets_import_no_torch() -> None:
    code = "import sys, sallet.models.presets; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
