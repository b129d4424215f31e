"""Every stack looks once at a small picture before anybody is served: so weights are loaded."""

from __future__ import annotations

import asyncio

import numpy as np

from sallet.core.errors import SalletError
from sallet.core.image import Image
from sallet.core.query import Answer, Query
from sallet.gateway.admit import materialised
from sallet.gateway.gate import Gate, Rules
from sallet.gateway.live import Live, guarded
from sallet.gateway.refusals import Refused
from sallet.gateway.trail import AT, Trail

SIDE = 64


async def warmed(gate: Gate, rules: Rules) -> list[str]:
    """What an operator should know; a stack that cannot be loaded is a `SalletError`.

    The model is not asked: a stack that asks is warm as far as its first question.
    """
    lines: list[str] = []
    query = Query.ask(Image(np.full((SIDE, SIDE, 3), 127, np.uint8)), "?", max_tokens=1)
    for name, defense in rules.defenses.items():
        AT.set(Trail("start"))
        try:
            made = await guarded(defense, query, Live(_nobody, gate.batches))
            if isinstance(made, Query):
                await asyncio.get_running_loop().run_in_executor(gate.pixels, materialised, made)
        except Refused:
            continue
        except SalletError as error:
            error.add_note(f"stacks.{name} cannot be loaded")
            raise
        except Exception as error:
            lines.append(f"stacks.{name} failed on a first picture ({type(error).__name__})")
    return lines


async def _nobody(query: Query) -> Answer:
    raise Refused("closing")
