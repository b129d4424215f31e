"""Which model judges: `openai/NAME` at an endpoint of its own, else a checkpoint on this machine.

The judge's endpoint and key are apart from the target's: SALLET_JUDGE_BASE_URL and
SALLET_JUDGE_API_KEY, or OPENAI_BASE_URL and OPENAI_API_KEY where those are not set.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

from sallet.core.errors import UsageError
from sallet.core.protocols import Model

NAME = "SALLET_JUDGE_MODEL"
OPENAI = "openai/"


def named(judge: str, model: str) -> str:
    """The model's name, from the judge's own or the environment; without one, what to do."""
    found = model or os.environ.get(NAME, "")
    if not found:
        raise UsageError(
            f"the judge {judge!r} is a model: say which, e.g. {judge}@openai/NAME for an endpoint "
            f"or {judge}@FOLDER for a checkpoint, or set {NAME}"
        )
    if found.startswith((".", "/", "~")) and not Path(found).expanduser().is_dir():
        raise UsageError(f"the judge {judge!r}: there is no folder {found}")
    return found


def opened(name: str) -> Model:
    """The model of this name."""
    if name.startswith(OPENAI):
        from sallet.models.remote import RemoteModel

        return RemoteModel(
            name.removeprefix(OPENAI),
            base_url=os.environ.get("SALLET_JUDGE_BASE_URL"),
            api_key=os.environ.get("SALLET_JUDGE_API_KEY"),
        )
    if sees(name):
        from sallet.models.local import HFModel

        return HFModel.from_pretrained(name)
    from sallet.models.text import TextModel

    return TextModel.from_pretrained(name)


def sees(name: str) -> bool:
    """Whether a checkpoint takes pictures, as its configuration says."""
    path = Path(name).expanduser() / "config.json"
    if path.is_file():
        return "vision_config" in json.loads(path.read_bytes())
    from transformers import AutoConfig

    from sallet.models import hub

    return hasattr(AutoConfig.from_pretrained(name, **hub.options(name)), "vision_config")
