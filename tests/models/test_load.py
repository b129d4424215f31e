"""Every way in which a checkpoint cannot be used, in one line for its user."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import transformers

from sallet.core.errors import ModelError, NoGradient, SalletError, UnknownName, UsageError
from sallet.core.query import Query
from sallet.models.local import HFModel
from tests.models.families import answered, goals, image, with_pixels


def refused(source: str | Path, kind: type[SalletError] = ModelError, **options: object) -> str:
    with pytest.raises(kind) as caught:
        HFModel.from_pretrained(source, **options)  # pyright: ignore[reportArgumentType]
    text = str(caught.value)
    assert "\n" not in text
    return text


def test_not_a_folder(tmp_path: Path) -> None:
    assert "is not a folder" in refused(tmp_path / "nothing")
    assert "no config.json" in refused(tmp_path)
    (tmp_path / "weights.bin").touch()
    assert "is a file" in refused(tmp_path / "weights.bin")


def test_a_gguf_file_says_what_remains(tmp_path: Path) -> None:
    assert "query-based" in refused(tmp_path / "model.gguf")


def test_an_unknown_name_suggests_presets() -> None:
    assert "qwen2.5-vl-7b" in refused("qwen2.5-vl-7", UnknownName)


def test_an_unknown_hub_name_offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    said = refused("nobody/nothing-at-all")
    assert "is no folder here; expected a checkpoint's folder or a hub name" in said


def test_a_folder_without_a_processor(folder: Callable[[str], Path], tmp_path: Path) -> None:
    source = tmp_path / "bare"
    shutil.copytree(folder("llava"), source)
    (source / "processor_config.json").unlink()
    assert "no usable processor; copy processor_config.json" in refused(source)


def test_a_folder_without_a_template(folder: Callable[[str], Path], tmp_path: Path) -> None:
    source = tmp_path / "mute"
    shutil.copytree(folder("llava"), source)
    (source / "chat_template.jinja").unlink()
    assert "no chat template" in refused(source)


def test_a_folder_without_weights(folder: Callable[[str], Path], tmp_path: Path) -> None:
    source = tmp_path / "weightless"
    shutil.copytree(folder("llava"), source)
    (source / "model.safetensors").unlink()
    assert "cannot load the weights" in refused(source)


def test_a_text_model(tmp_path: Path) -> None:
    transformers.LlamaConfig(num_hidden_layers=1).save_pretrained(tmp_path)
    assert "does not take images" in refused(tmp_path)


def test_unknown_settings(folder: Callable[[str], Path]) -> None:
    source = folder("llava")
    assert "unknown device" in refused(source, UsageError, device="abacus")
    assert "unknown dtype" in refused(source, UsageError, dtype="int3")
    assert "unknown quantization" in refused(source, UsageError, quantization="2bit")
    if not torch.cuda.is_available():
        assert "torch finds none" in refused(source, UsageError, device="cuda")


def test_quantization_without_its_package(folder: Callable[[str], Path]) -> None:
    try:
        import bitsandbytes  # noqa: F401  # pyright: ignore[reportMissingImports]
    except ImportError:
        assert "pip install bitsandbytes" in refused(folder("llava"), quantization="4bit")
    else:
        pytest.skip("bitsandbytes is installed here")


def test_quantised_where_it_can_be(folder: Callable[[str], Path]) -> None:
    """8-bit keeps its gradient everywhere; 4-bit only on a GPU, and says so on a CPU."""
    pytest.importorskip("bitsandbytes")
    source = folder("llava")
    query = Query.ask(image(), "what is this?", max_tokens=3)
    eight = HFModel.from_pretrained(source, quantization="8bit")
    answered(eight.answer([query]))
    (changed,), (seen,) = with_pixels([query])
    eight.loss([changed], goals(1)).sum().backward()
    assert seen.grad is not None
    assert seen.grad.abs().sum() > 0
    four = HFModel.from_pretrained(source, quantization="4bit")
    if four.device.type == "cpu":
        with pytest.raises(NoGradient, match="on a GPU"):
            four.loss([changed], goals(1))


def test_torchvision_missing(folder: Callable[[str], Path]) -> None:
    """In a process of its own, where torchvision cannot be found."""
    code = (
        "import importlib.util as u; find = u.find_spec\n"
        "u.find_spec = lambda name, *a: None if name == 'torchvision' else find(name, *a)\n"
        "from sallet.models.load import Settings, load\n"
        f"load({str(folder('llava'))!r}, Settings())\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "pip install torchvision" in done.stderr.splitlines()[-1]


@pytest.mark.parametrize("dtype", [torch.bfloat16, "float64"])
def test_other_dtypes_answer_and_differentiate(
    folder: Callable[[str], Path], dtype: torch.dtype | str
) -> None:
    model = HFModel.from_pretrained(folder("internvl"), dtype=dtype, name="mine", device="cpu")
    assert model.name == "mine"
    (query,), (seen,) = with_pixels([Query.ask(image(), "what is this?")])
    answered(model.answer([query]))
    model.loss([query], goals(1)).sum().backward()
    assert seen.grad is not None
    assert seen.grad.abs().sum() > 0


def test_a_device_map_places_it(folder: Callable[[str], Path]) -> None:
    model = HFModel.from_pretrained(folder("llava"), device_map={"": "cpu"})
    answered(model.answer([Query.ask(image(), "what is this?", max_tokens=2)]))
    assert model.name == "llava"
