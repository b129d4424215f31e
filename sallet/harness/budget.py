"""An endpoint with a budget of calls: what would go over it is not sent."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sallet.core.errors import RemoteError, UsageError
from sallet.core.query import Answer, Failure, Query
from sallet.models.remote import RemoteModel


class Budgeted(RemoteModel):
    """A `RemoteModel` that answers at most `calls` queries; the others fail and are unassessed.

    A call is a query, however often it had to be sent until it was answered.
    """

    def __init__(self, model: str, *, calls: int, spent: int = 0, **settings: Any) -> None:
        if calls < 1 or spent < 0:
            raise UsageError(f"a budget has at least one call; got {calls}, spent {spent}")
        super().__init__(model, **settings)
        self.calls, self.spent = calls, spent

    async def aanswer(self, queries: Sequence[Query]) -> list[Answer | Failure]:
        """As many as are left, in order."""
        left = max(0, self.calls - self.spent)
        sent = list(queries[:left])
        self.spent += len(sent)
        made = await super().aanswer(sent) if sent else []
        over = RemoteError(f"the budget of {self.calls} calls is spent")
        return [*made, *(Failure(over) for _ in queries[left:])]


def endpoint(
    *, model: str, base_url: str, calls: int, max_concurrency: int = 8, timeout: float = 60.0
) -> Budgeted:
    """What a recipe names: `target: "sallet.harness.budget:endpoint"`."""
    return Budgeted(
        model, calls=calls, base_url=base_url, max_concurrency=max_concurrency, timeout=timeout
    )
