"""Loads a checkpoint, and says in one line what is wrong with it when it cannot be loaded."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

import torch

from sallet.core.errors import ModelError, UsageError, WrongModel
from sallet.models import hub

Quantization: TypeAlias = Literal["4bit", "8bit"] | None
Dtype: TypeAlias = torch.dtype | str

_DTYPES = {
    "float32": torch.float32,
    "float16": torch.float16,
    "bfloat16": torch.bfloat16,
    "float64": torch.float64,
}


@dataclass(frozen=True)
class Settings:
    """Where and how a checkpoint is held."""

    device: str = "auto"
    dtype: Dtype = "auto"
    quantization: Quantization = None
    device_map: Any = None
    attention: str | None = None


def load(source: str, settings: Settings) -> tuple[Any, Any]:
    """The model (evaluation mode, no parameter gradients) and its processor."""
    if importlib.util.find_spec("torchvision") is None:
        raise ModelError(
            "local models need torchvision, whose image code keeps gradients; "
            "install the build that fits your torch: pip install torchvision"
        )
    _check_source(source)
    fetched = hub.options(source)
    _check_config(source, fetched)
    processor = _processor(source, fetched)
    from transformers import AutoModelForImageTextToText

    device = device_of(settings.device)
    options: dict[str, Any] = {"dtype": dtype_of(settings.dtype, device)}
    if settings.attention or device.type == "cpu":
        # Measured on a CPU at a few hundred tokens: eager is the faster one, both ways.
        options["attn_implementation"] = settings.attention or "eager"
    if settings.quantization:
        options["quantization_config"] = _bitsandbytes(settings.quantization, device)
        options["device_map"] = settings.device_map or {"": str(device)}
    elif settings.device_map is not None:
        options["device_map"] = settings.device_map
    try:
        with _no_bars() if Path(source).is_dir() else nullcontext():
            model: Any = AutoModelForImageTextToText.from_pretrained(
                source, trust_remote_code=False, **options, **hub.of_weights(fetched)
            )
    except (OSError, ValueError, KeyError, ImportError, RuntimeError) as error:
        raise ModelError(f"cannot load the weights of {source}: {_first_line(error)}") from error
    if "revision" in fetched:  # transformers 5 notes it nowhere, and a row must say it
        model.config._commit_hash = fetched["revision"]
    if "device_map" not in options:
        model = model.to(device)
    return model.eval().requires_grad_(False), processor


@contextmanager
def _no_bars() -> Iterator[None]:
    """Within it transformers draws no bar across ours; a download's is worth seeing."""
    from transformers.utils import logging

    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()


def device_of(name: str) -> torch.device:
    """`auto` is the first CUDA device, or the CPU."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise UsageError(f"unknown device {name!r}; use auto, cpu, cuda or cuda:N") from error
    if device.type == "cuda" and not torch.cuda.is_available():
        raise UsageError("device 'cuda' was asked for, and torch finds none; use cpu or auto")
    return device


def dtype_of(name: Dtype, device: torch.device) -> Dtype:
    """`auto` is float32 on a CPU, elsewhere what the checkpoint was saved in."""
    if isinstance(name, torch.dtype):
        return name
    if name == "auto":
        return torch.float32 if device.type == "cpu" else "auto"
    if name not in _DTYPES:
        raise UsageError(f"unknown dtype {name!r}; use auto, {', '.join(_DTYPES)}")
    return _DTYPES[name]


def _check_source(source: str) -> None:
    path = Path(source).expanduser()
    if path.suffix == ".gguf":
        raise WrongModel(
            f"{source} is a GGUF file: serve it (llama.cpp, Ollama, LM Studio) and use it as a "
            "remote model; it gives no gradient, so query-based and transfer attacks remain"
        )
    if path.is_dir():
        if not (path / "config.json").is_file():
            raise WrongModel(f"{source} has no config.json; give a folder made by save_pretrained")
    elif path.exists():
        raise WrongModel(f"{source} is a file; give the folder of a Hugging Face checkpoint")
    elif source.startswith((".", "/", "~")) or source.count("/") > 1:
        raise WrongModel(f"{source} is not a folder; give a checkpoint's folder or a hub name")


def _check_config(source: str, fetched: dict[str, Any]) -> None:
    from transformers import AutoConfig
    from transformers.models.auto.modeling_auto import MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING

    try:
        config = AutoConfig.from_pretrained(source, trust_remote_code=False, **fetched)
    except (OSError, ValueError) as error:
        raise ModelError(f"cannot read the config of {source}: {_first_line(error)}") from error
    if type(config) not in MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING:
        raise WrongModel(
            f"{source} is a {config.model_type!r} checkpoint, which does not take images and "
            "answer in text; give a vision-language model such as LLaVA, Qwen-VL or InternVL"
        )


def _processor(source: str, fetched: dict[str, Any]) -> Any:
    from transformers import AutoProcessor

    try:
        processor: Any = AutoProcessor.from_pretrained(source, trust_remote_code=False, **fetched)
    except OSError as error:
        raise ModelError(
            f"{source} has no usable processor; copy processor_config.json (or "
            "preprocessor_config.json) and the tokenizer's files into the folder"
        ) from error
    except (ValueError, KeyError, TypeError, ImportError, AttributeError) as error:
        raise ModelError(
            f"the processor of {source} cannot be built: {_first_line(error)}"
        ) from error
    if not hasattr(processor, "image_processor") or not hasattr(processor, "tokenizer"):
        raise ModelError(
            f"{source} has a {type(processor).__name__} and no image processor; copy "
            "processor_config.json or preprocessor_config.json into the folder"
        )
    return processor


def _bitsandbytes(quantization: str, device: torch.device) -> Any:
    if quantization not in ("4bit", "8bit"):
        raise UsageError(f"unknown quantization {quantization!r}; use 4bit or 8bit")
    if importlib.util.find_spec("bitsandbytes") is None:
        raise ModelError(f"{quantization} needs bitsandbytes: pip install bitsandbytes")
    from transformers import BitsAndBytesConfig

    if quantization == "8bit":
        return BitsAndBytesConfig(load_in_8bit=True)
    half = torch.bfloat16 if device.type == "cpu" or torch.cuda.is_bf16_supported() else torch.half
    return BitsAndBytesConfig(
        load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=half
    )


def _first_line(error: Exception) -> str:
    return next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
