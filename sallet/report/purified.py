"""What a defence makes of a hostile picture, kept beside the run for the examples of its report.

Made when a run ends, while its defences are loaded, so that a page is made without any of them. A
defence that asks the model for other views, or answers itself, makes no picture of its own.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from sallet.core.errors import ModelError, StoreError
from sallet.core.image import Image
from sallet.core.offline import Offline
from sallet.core.protocols import Defense
from sallet.core.query import Answer, Failure, Query
from sallet.harness.parts import Parts
from sallet.harness.plan import Plan
from sallet.media.encode import encode
from sallet.report.gallery import MOST, changed, choose, made_name
from sallet.runs import files
from sallet.runs.record import Row
from sallet.runs.store import Store

SECONDS = 60.0
"""After so long no further picture is begun: a slow purifier must not hold up a run's end."""


class _Nobody:
    name: str = "nobody"

    def answer(self, queries: Sequence[Query]) -> list[Answer | Failure]:
        """Nothing: whoever asks makes no picture."""
        return [Failure(ModelError("nobody is asked")) for _ in queries]


def purified(defense: Defense, query: Query) -> list[Image]:
    """The pictures that the defence forwards in their place; none where it forwards these."""
    (end,) = Offline(_Nobody()).ends(defense, [query])
    if not isinstance(end, Query) or len(end.images) != len(query.images):
        return []
    changed = any(a.digest != b.digest for a, b in zip(end.images, query.images, strict=True))
    return list(end.images) if changed else []


def keep(plan: Plan, parts: Parts, store: Store) -> None:
    """For each of the report's examples, the picture that its first changing defence makes."""
    cells = {cell.digest: cell for cell in plan.cells}
    began = time.monotonic()
    for rows in choose(store.rows)[:MOST]:
        defended = [row for row in rows if row.key.defense != "none" and row.hostile_images]
        for row in (row for row in defended if row.cell in cells):
            if time.monotonic() - began > SECONDS:
                return
            cell = cells[row.cell]
            try:
                if _kept(row, parts.defense(cell.defense, cell.pinned), store):
                    break
            except StoreError:  # the page does without a picture; the rows are safe
                return


def _kept(row: Row, defense: Defense, store: Store) -> bool:
    """Whether there is such a picture; the question is as it was judged last."""
    path = store.artifacts.folder / made_name(row)
    if path.exists():
        return True
    images = [store.artifacts.load(name) for name in row.hostile_images]
    asked = Query.ask(*images, row.question).with_defense_seed(row.defense_seeds[-1])
    made = purified(defense, asked)
    if made:
        path.parent.mkdir(parents=True, exist_ok=True)
        files.replace(path, encode(made[changed(row)], pack=True))
    return bool(made)
