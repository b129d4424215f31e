"""A guardrail for LiteLLM's proxy that decodes every image and encodes it again with Pillow.

It does in LiteLLM what the canonical stage does in the gateway, as simply as Pillow can: decode,
RGB, PNG at its fastest setting, in a thread so that the proxy's loop goes on; and it adds the same
safety prompt. It checks no limit and strips no metadata chunk that Pillow keeps out by itself.
"""

from __future__ import annotations

import asyncio
import base64
import io
from typing import Any

from litellm.integrations.custom_guardrail import (  # pyright: ignore[reportMissingImports]
    CustomGuardrail,
)
from PIL import Image

PROMPT = "Look at the picture and at the question before you answer."


class Recode(CustomGuardrail):
    async def async_pre_call_hook(
        self, user_api_key_dict: Any, cache: Any, data: dict[str, Any], call_type: str
    ) -> dict[str, Any]:
        for message in data["messages"]:
            content = message["content"]
            for part in content if isinstance(content, list) else []:
                if part["type"] == "image_url":
                    where = part["image_url"]
                    where["url"] = await asyncio.to_thread(recoded, where["url"])
        data["messages"] = [{"role": "system", "content": PROMPT}, *data["messages"]]
        return data


def recoded(url: str) -> str:
    raw = base64.b64decode(url.partition(",")[2])
    out = io.BytesIO()
    Image.open(io.BytesIO(raw)).convert("RGB").save(out, "PNG", compress_level=1)
    return f"data:image/png;base64,{base64.b64encode(out.getvalue()).decode()}"
