"""RapGuard's idea (arXiv 2412.18826): a rationale first, and a safety prompt made of it.

The paper's stages and prompts were not to be found; these are ours.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from sallet.core.protocols import Gradient, Via
from sallet.core.query import Answer, Query
from sallet.defenses.replies import NO_RISK, aside, risk, unclear
from sallet.defenses.wordings import digest, filled, wording


@dataclass(frozen=True)
class RapGuard:
    """Asks what picture and request mean together and how risky that is; the answer is then asked
    for with a warning made of that, or without one where there is no risk.

    A rationale that names no risk is told, and the query passes as it is: nothing is refused here.
    """

    wording: str = "plain"
    name: ClassVar[str] = "rapguard"
    gradient: ClassVar[Gradient] = "full"
    stochastic: ClassVar[bool] = False

    def __post_init__(self) -> None:
        _ = self.texts

    @property
    def texts(self) -> tuple[str, str]:
        """The question, and the warning."""
        return (
            wording("rationale", self.wording, "request"),
            wording("warning", self.wording, "rationale"),
        )

    @property
    def digest(self) -> str:
        """Of both texts."""
        return digest(*self.texts)

    async def guard(self, query: Query, via: Via) -> Query | Answer:
        question, warning = self.texts
        asked = aside(query, filled(question, request=query.user_text), "rationale")
        (reply,) = await via.ask(asked, role="rationale", evading=NO_RISK)
        found = risk(reply.text)
        if found is None:
            unclear(self.name, reply.text)
        if found in (None, "none"):
            return query
        return query.with_system(filled(warning, rationale=reply.text))
