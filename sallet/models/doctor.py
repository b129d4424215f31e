"""What this machine can run: versions, cores, memory, accelerators, and which presets fit.

`report()` looks and changes nothing; `dataclasses.asdict` of it is plain JSON; `render` is text.
"""

from __future__ import annotations

import importlib.util
import os
import platform
import shutil
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from packaging.specifiers import SpecifierSet

from sallet.models.presets import BYTES, PRESETS

NEEDED = {
    "python": ">=3.11,<3.13",
    "torch": ">=2.11",
    "torchvision": ">=0.26",
    "transformers": ">=5.17,<6",
}
OPTIONAL = {
    "accelerate": "device_map over several devices",
    "bitsandbytes": "4-bit and 8-bit models",
    "num2words": "SmolVLM's processor",
    "soundfile": "audio inputs",
}
_BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
_GIB = 1024**3


@dataclass(frozen=True)
class Package:
    """One package: what is here (None: nothing), what is wanted, and whether that is met."""

    name: str
    found: str | None
    wanted: str
    fits: bool


@dataclass(frozen=True)
class Device:
    """A place where a model can be held."""

    name: str
    total_gb: float
    free_gb: float
    bf16: bool


@dataclass(frozen=True)
class Fit:
    """A preset and the first device that holds it in each precision (None: none does)."""

    preset: str
    hub: str
    bf16_gb: float
    four_bit_gb: float
    bf16_on: str | None
    four_bit_on: str | None


@dataclass(frozen=True)
class Report:
    """Everything that `sallet doctor` says."""

    system: str
    packages: tuple[Package, ...]
    cores: int
    fast_bf16: bool
    devices: tuple[Device, ...]
    browser: str | None
    fits: tuple[Fit, ...]

    @property
    def ready(self) -> bool:
        """Whether local models can run here at all."""
        return all(package.fits for package in self.packages if package.name in NEEDED)


def report() -> Report:
    """Looks at this machine."""
    packages = (
        *(_package(name, wanted) for name, wanted in NEEDED.items()),
        *(_package(name, "") for name in OPTIONAL),
    )
    flags = _cpu_flags()
    devices = (*_cuda(), _memory(flags))
    quantises = any(p.name == "bitsandbytes" and p.found for p in packages)
    return Report(
        system=f"{platform.system()} {platform.machine()}, Python {platform.python_version()}",
        packages=packages,
        cores=_cores(),
        fast_bf16=bool(flags & {"amx_bf16", "avx512_bf16"}),
        devices=devices,
        browser=next((path for name in _BROWSERS if (path := shutil.which(name))), None),
        fits=tuple(_fit(name, devices, quantises) for name in PRESETS),
    )


def render(seen: Report) -> str:
    """The report as a page of text, the bad news marked."""
    lines = [f"{seen.system}, {seen.cores} cores", ""]
    for package in seen.packages:
        mark = "ok " if package.fits else "BAD" if package.name in NEEDED else "-  "
        use = OPTIONAL.get(package.name) or f"wanted {package.wanted}"
        lines.append(f"  {mark} {package.name:<14} {package.found or 'not installed':<16} {use}")
    browser = seen.browser or "none found (only the tests of report pages use one)"
    lines += [f"      browser        {browser}", ""]
    for device in seen.devices:
        bf16 = "bf16" if device.bf16 else "no fast bf16"
        lines.append(
            f"  {device.name}: {device.free_gb:.1f} of {device.total_gb:.1f} GB free, {bf16}"
        )
    lines += ["", f"  {'preset':<24}{'bf16':>9}  {'fits on':<12}{'4-bit':>9}  fits on"]
    for fit in seen.fits:
        lines.append(
            f"  {fit.preset:<24}{fit.bf16_gb:>6.1f} GB  {fit.bf16_on or '-':<12}"
            f"{fit.four_bit_gb:>6.1f} GB  {fit.four_bit_on or '-'}"
        )
    end = "Local models can run here." if seen.ready else "Local models cannot run here yet."
    return "\n".join([*lines, "", end])


def _package(name: str, wanted: str) -> Package:
    found = platform.python_version() if name == "python" else _version(name)
    fits = found is not None and SpecifierSet(wanted).contains(
        found.partition("+")[0], prereleases=True
    )
    return Package(name, found, wanted, fits)


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _cpu_flags() -> set[str]:
    info = Path("/proc/cpuinfo")
    if not info.is_file():
        return set()
    lines = (line for line in info.read_text().splitlines() if line.startswith("flags"))
    return set(next(lines, "").split())


def _memory(flags: set[str]) -> Device:
    """The machine's memory, or less where a container is held to less."""
    total = free = 0.0
    meminfo = Path("/proc/meminfo")
    if meminfo.is_file():
        rows = (line.split() for line in meminfo.read_text().splitlines())
        sizes = {row[0].rstrip(":"): int(row[1]) * 1024 / _GIB for row in rows}
        total, free = sizes["MemTotal"], sizes["MemAvailable"]
    elif hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        total = free = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / _GIB
    limit, used = (_number(Path(f"/sys/fs/cgroup/memory.{n}")) for n in ("max", "current"))
    if limit is not None and limit / _GIB < total:
        total = limit / _GIB
        free = min(free, total - (used or 0) / _GIB)
    bf16 = bool(flags & {"amx_bf16", "avx512_bf16"})
    return Device("cpu", round(total, 1), round(free, 1), bf16)


def _number(path: Path) -> int | None:
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return None


def _cuda() -> tuple[Device, ...]:
    if importlib.util.find_spec("torch") is None:
        return ()
    import torch

    if not torch.cuda.is_available():
        return ()
    found: list[Device] = []
    for i in range(torch.cuda.device_count()):
        about: Any = torch.cuda.get_device_properties(i)
        free, total = torch.cuda.mem_get_info(i)
        found.append(
            Device(f"cuda:{i}", round(total / _GIB, 1), round(free / _GIB, 1), about.major >= 8)
        )
    return tuple(found)


def _fit(name: str, devices: tuple[Device, ...], quantises: bool) -> Fit:
    preset = PRESETS[name]
    needs = {precision: preset.gigabytes(precision) for precision in BYTES}

    def first(need: float) -> str | None:
        return next((device.name for device in devices if device.free_gb >= need), None)

    return Fit(
        preset=name,
        hub=preset.hub,
        bf16_gb=needs["bf16"],
        four_bit_gb=needs["4bit"],
        bf16_on=first(needs["bf16"]),
        four_bit_on=first(needs["4bit"]) if quantises else None,
    )
