"""Purifier replicas on GPUs with Ray Serve, for a gateway on a machine without one.

    pip install 'ray[serve]'
    ray start --head && serve start --http-port 8001
    serve run deploy.ray_purifiers:app folder=world/codefend replicas=2 --route-prefix /purify

The gateway's policy then names this module's `Remote` in place of the purifier itself:

    stacks:
      default:
        - {name: remote-purifier, target: "deploy.ray_purifiers:Remote",
           url: "http://127.0.0.1:8001/purify"}

Pictures travel as PNG, so that what a replica gets is what the gateway saw, to the pixel. It is a
recipe: it needs Ray and a GPU, and is not run by the tests.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from sallet.core.image import Image
from sallet.core.protocols import Gradient, Via
from sallet.core.query import Answer, Query, Seeded
from sallet.media.canonical import canonical
from sallet.media.encode import encode
from sallet.media.limits import LOCAL


@dataclass(frozen=True)
class Call:
    """One call of the service with the pictures of a batch and their seeds."""

    url: str
    name: str = "remote-purifier"

    def __call__(self, items: Sequence[Seeded]) -> list[Image]:
        """One clean picture for each, in order."""
        import httpx

        sent = [[base64.b64encode(encode(one.image)).decode(), one.seed] for one in items]
        reply = httpx.post(self.url, json=sent, timeout=30, trust_env=False)
        reply.raise_for_status()
        return [canonical(base64.b64decode(one), limits=LOCAL).image for one in reply.json()]


@dataclass(frozen=True)
class Remote:
    """The purifier behind `url`, as a defence."""

    url: str
    name: str = "remote-purifier"
    gradient: ClassVar[Gradient] = "none"
    stochastic: ClassVar[bool] = True

    async def guard(self, query: Query, via: Via) -> Query | Answer:
        return query.with_images(await via.batch(Call(self.url), query.seeded_images()))


def app(args: Mapping[str, str]) -> Any:
    """A Ray Serve application of the purifier in `folder`, with `replicas` of it, a GPU each."""
    from ray import serve  # pyright: ignore[reportMissingImports]
    from starlette.requests import Request

    folder = args.get("folder", "world/codefend")

    @serve.deployment(num_replicas=int(args.get("replicas", 1)), ray_actor_options={"num_gpus": 1})
    class Purifier:
        def __init__(self) -> None:
            from sallet.defenses.purify import CoDefend
            from sallet.purifiers.run import Clean

            made = CoDefend(folder, device="cuda")
            self.clean = Clean(folder, made.sampler, "cuda")

        async def __call__(self, request: Request) -> list[str]:
            items = [
                Seeded(canonical(base64.b64decode(data), limits=LOCAL).image, seed)
                for data, seed in await request.json()
            ]
            return [base64.b64encode(encode(one)).decode() for one in self.clean(items)]

    return Purifier.bind()
