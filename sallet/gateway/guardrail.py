"""LiteLLM's Generic Guardrail contract: texts and images in; blocked, untouched or repaired out.

LiteLLM shows a guard no more than texts and images, so a stack has to keep the shape of a chat: one
that adds a turn, or writes an answer itself, fails here, and LiteLLM refuses the request. Answers
of the model (`input_type: response`) are not looked at, and the record says so.
"""

from __future__ import annotations

import asyncio
import base64
from typing import Any

import orjson

from sallet.core.errors import MediaError
from sallet.core.image import Image
from sallet.core.query import Query, Sampling
from sallet.gateway import chat
from sallet.gateway.chat import Asked, Sent, Turn
from sallet.gateway.exchange import Exchange
from sallet.gateway.fields import Settings
from sallet.gateway.gate import Rules
from sallet.gateway.refusals import REASONS, Refused
from sallet.gateway.serve import Endpoint, Talk
from sallet.gateway.trail import compared, described
from sallet.media.encode import encode

PATH = "/beta/litellm_basic_guardrail_api"
BLOCKED, NONE, INTERVENED = "BLOCKED", "NONE", "GUARDRAIL_INTERVENED"
# What is wrong with the content, not with us: LiteLLM's user is told, and it is no failure.
_CONTENT = {
    "not-repaired", "bad-image-url", "fetching-denied", "fetch-failed", "flagged-image",
    "too-many-parts", "too-many-messages", "no-vision",
    *(error.code for error in MediaError.__subclasses__()),
}  # fmt: skip


class Guardrail(Endpoint):
    """The endpoint that LiteLLM asks."""

    async def _answered(self, data: bytes, rules: Rules, talk: Talk) -> None:
        body = chat.loads(data)
        if body.get("input_type") == "response":
            talk.trail.verdict = "unguarded"
            await talk.whole(orjson.dumps({"action": NONE}))
            return
        texts, images = _list(body, "texts"), _list(body, "images")
        try:
            async with asyncio.timeout(rules.policy.limits.deadline):
                made = await self._guarded(body, texts, images, rules, talk)
        except TimeoutError:
            raise Refused("deadline") from None
        except Refused as refused:
            if refused.code not in _CONTENT:
                raise
            talk.trail.code, talk.trail.verdict = refused.code, "rejected"
            made = {"action": BLOCKED, "blocked_reason": REASONS[refused.code].text}
        await talk.whole(orjson.dumps(made))

    async def _guarded(
        self, body: dict[str, Any], texts: list[str], images: list[str], rules: Rules, talk: Talk
    ) -> dict[str, Any]:
        if not texts and not images:
            talk.trail.verdict = "passed"
            return {"action": NONE}
        model = body.get("model")
        model = chat.model(model) if isinstance(model, str) else "*"
        parts = (*texts, *(Sent(url) for url in images))
        told = Settings(Sampling(), dict.fromkeys(("max_tokens", "temperature", "top_p")))
        asked = chat.checked(
            Asked(model, (Turn("user", parts, {}),), told),
            rules.policy.limits.chat,
        )
        exchange = Exchange(self.gate, rules, asked, talk.trail, talk.trail.client)
        ahead = await exchange.ahead()
        if talk.trail.verdict == "refused":
            return {"action": BLOCKED, "blocked_reason": "the guard refused this request"}
        if not isinstance(ahead.query, Query):
            raise Refused("guard-failed")
        query = await exchange.made(ahead.query)
        if len(query.messages) != 1 or len(query.messages[0].parts) != len(parts):
            raise Refused("guard-failed")
        await exchange.noted(ahead)
        became = compared(talk.trail.parts_in, described(query))  # whatever the mode made of it
        if became == "passed":
            return {"action": NONE}
        if became == "repaired" and rules.policy.litellm.images == "block":
            raise Refused("not-repaired")
        seen = query.messages[0].parts
        return {
            "action": INTERVENED,
            "texts": [part for part in seen if isinstance(part, str)],
            "images": [_url(part) for part in seen if isinstance(part, Image)],
        }


def _list(body: dict[str, Any], name: str) -> list[str]:
    value = body.get(name)
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise Refused("bad-field", field=name)
    return value


def _url(image: Image) -> str:
    return f"data:image/png;base64,{base64.b64encode(encode(image, pack=True)).decode()}"
