"""An answer in a stream, released a sentence at a time as its defence allows it.

What the client gets is what the same defence gives in one piece: nothing leaves before the defence
has allowed it with all that came before, and after a sentence that it withholds nothing does.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

import orjson

from sallet.core.compose import Stack, Under, lowered
from sallet.core.protocols import Defense, Releasing, Via
from sallet.core.query import Answer, Query, refusal
from sallet.core.sentences import Sentences, reviewed
from sallet.gateway import replies
from sallet.gateway.live import Live, guarded, timed
from sallet.gateway.refusals import Refused
from sallet.gateway.trail import Trail


class Withheld(Exception):
    """A sentence was not allowed, and nothing goes out any more."""


@dataclass(frozen=True)
class Release:
    """One answer's review: the outermost layer, the layers that it asks through, the question."""

    defense: Releasing
    below: Stack | None
    query: Query
    live: Live
    trail: Trail

    async def begin(self) -> Query | Answer:
        """What the layers below leave to ask; an answer of theirs is reviewed here."""
        if self.below is None:
            return self.query
        result = await guarded(self.below, lowered(self.query), self.live)
        if isinstance(result, Query):
            return result
        return await reviewed(self.defense.name, self._allows, result)

    async def events(
        self, inner: AsyncGenerator[bytes], id: str, model: str, *, usage: bool
    ) -> AsyncGenerator[bytes]:
        """A model server's chunks made into our own, with the sentences that are allowed."""
        finish = "stop"
        told: dict[str, Any] = {"role": "assistant"}

        async def texts() -> AsyncGenerator[str]:
            nonlocal finish
            async for data in inner:
                for choice in orjson.loads(data).get("choices") or ():
                    finish = choice.get("finish_reason") or finish
                    if text := (choice.get("delta") or {}).get("content"):
                        yield text

        async with aclosing(inner), aclosing(texts()) as coming:
            try:
                async with aclosing(self._sentences(coming)) as sentences:
                    async for text in sentences:
                        self.trail.verdict = "answered"
                        yield orjson.dumps(replies.piece(id, model, {**told, "content": text}))
                        told = {}
            except Withheld:
                made, finish = refusal(self.defense.name), "content_filter"
                self.trail.verdict, self.trail.refused_by = "refused", made.refused_by
                if told:  # nothing was said
                    told["content"] = made.text
                    yield orjson.dumps(replies.piece(id, model, told))
        yield orjson.dumps(replies.piece(id, model, {}, finish))
        if usage:
            yield orjson.dumps(replies.last(id, model, self.trail.usage))

    async def _sentences(self, texts: AsyncGenerator[str]) -> AsyncGenerator[str]:
        """The sentences of a text that comes in pieces, each once it is allowed."""
        cut, said, begun = Sentences(), "", False
        async for more in texts:
            more = more if begun else more.lstrip()
            begun = begun or bool(more)
            for sentence in cut.feed(more):
                await self._check(said + sentence)
                said += sentence
                yield sentence
        rest = cut.rest().rstrip()
        if rest:
            await self._check(said + rest)
            yield rest
        elif not said:
            raise Refused("upstream-broken")  # an answer without words is none

    async def _check(self, so_far: str) -> None:
        """Nothing, or `Withheld`; a review that fails lets nothing through."""
        try:
            fine = await self._allows(Answer(so_far))
        except Refused:
            raise
        except Exception as error:
            self.trail.error = type(error).__name__
            raise Refused("guard-failed") from None
        if not fine:
            raise Withheld

    async def _allows(self, so_far: Answer) -> bool:
        via: Via = self.live if self.below is None else Under((self.below,), self.live)
        with self.trail.stage(f"defense:{self.defense.name}") as noted:
            fine = await self.defense.allows(self.query, so_far, via)
            noted["did"] = "release" if fine else "withhold"
            return fine


def release(defense: Defense, query: Query, live: Live, trail: Trail) -> Release | None:
    """The review of an answer, if the outermost layer is one that releases sentences."""
    layers = defense.layers if isinstance(defense, Stack) else (defense,)
    head, rest = layers[0], layers[1:]
    if not isinstance(head, Releasing):
        return None
    below = Stack(*(timed(layer) for layer in rest)) if rest else None
    return Release(head, below, query, live, trail)
