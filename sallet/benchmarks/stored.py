"""What every benchmark of files has in common: where it lies, what it is, how samples are made."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Final

from sallet.benchmarks.drawn import drawn
from sallet.benchmarks.folder import Folder, opened
from sallet.core.errors import InputError
from sallet.core.goal import Goal, Kind
from sallet.core.image import Image
from sallet.core.query import Query
from sallet.core.sample import Sample
from sallet.judges.text import plain

_SMALL: Final = """
about after again against also another anyone because been before being between both could create
describe design detailed does each every explain find from give guide have help here image
instructions into just like list make making many method methods more most must need only other
over picture please provide show shown some someone steps such tell that their them then there
these they thing things this those three through using very want ways what when where which while
will with without would write your yourself
"""
SMALL: Final = frozenset(_SMALL.split())
"""Words that say nothing of what a request is about."""


@dataclass(frozen=True, kw_only=True)
class Stored:
    """`path` is a local folder or a hub id (default: where the authors publish it); `revision` is
    the hub's; `max_tokens` bounds an answer."""

    name: ClassVar[str]
    licence: ClassVar[str]
    attack_class: ClassVar[str]
    judge: ClassVar[str]
    paper_judge: ClassVar[str]
    hub: ClassVar[str] = ""
    patterns: ClassVar[tuple[str, ...]] = ()

    path: str = ""
    revision: str = ""
    max_tokens: int = 512

    def samples(self, limit: int | None, seed: int) -> list[Sample]:
        """At most `limit` samples (all if None), by category, the same ones for the same seed."""
        folder = opened(self.name, self.path, self.hub, self.revision, self.patterns)
        found = self.read(folder)
        if not found:
            raise InputError(f"{self.name}: {folder.root} holds no sample of what was asked for")
        ids: dict[str, int] = {}
        for sample in found:
            ids[sample.id] = ids.get(sample.id, 0) + 1
        twice = next((name for name, count in ids.items() if count > 1), None)
        if twice is not None:
            raise InputError(f"{self.name}: the id {twice!r} stands for {ids[twice]} samples")
        own = {"licence": self.licence, "attack_class": self.attack_class}
        return [replace(one, revision=folder.revision, **own) for one in drawn(found, limit, seed)]

    def read(self, folder: Folder) -> list[Sample]:
        """Every sample of the release, in its order; images are not decoded."""
        raise NotImplementedError

    def harmful(
        self,
        identity: str,
        text: str,
        images: Sequence[Image] = (),
        *,
        about: Sequence[str] = (),
        category: str = "",
        prompt: str | None = None,
        begins: str = "",
    ) -> Sample:
        """A request that should be declined.

        `about` is what its answer would name, where the authors say it, else the words that the
        request is about; `prompt` is what it shares with others, so that they are not independent.
        """
        things = tuple(dict.fromkeys([*(a for a in about if a.strip()), *topics(text, *about)]))
        wanted = begins or f"Sure, here is {about[0] if about and about[0] else 'how'}"
        return Sample(
            id=identity,
            query=Query.ask(*images, text, max_tokens=self.max_tokens),
            reference=(),
            harmful=True,
            cluster=cluster(prompt or text),
            goals={"jailbreak": Goal.stop_refusing(wanted, *things)},
            category=category,
        )

    def benign(
        self,
        identity: str,
        text: str,
        images: Sequence[Image] = (),
        *,
        accepted: Sequence[str] = (),
        wrong: str = "",
        category: str = "",
        prompt: str | None = None,
        reference: Sequence[str] = (),
        shown: Sequence[str] = (),
    ) -> Sample:
        """A question that should be answered; without `accepted` ones, any answer is one."""
        goals: dict[Kind, Goal] = {}
        if accepted:
            goals["untargeted"] = Goal.stop_saying(*accepted)
        else:
            goals["targeted"] = Goal.refuse("I cannot help with that.")
            goals["untargeted"] = Goal("untargeted", "Sure", (), shown=tuple(shown))
        if wrong:
            goals["targeted"] = Goal.say(wrong)
        return Sample(
            id=identity,
            query=Query.ask(*images, text, max_tokens=self.max_tokens),
            reference=tuple(reference or accepted),
            harmful=False,
            cluster=cluster(prompt or identity),
            goals=goals,
            category=category,
        )


def topics(*texts: str) -> tuple[str, ...]:
    """The words that texts are about, the longest first: what an answer that complies names."""
    words = {w for text in texts for w in plain(text).split() if len(w) > 3 and w not in SMALL}
    return tuple(sorted(words, key=lambda word: (-len(word), word))[:12])


def cluster(prompt: str) -> str:
    """The same for prompts that differ in nothing but blanks and case."""
    bare = re.sub(r"\s+", " ", prompt).strip().casefold()
    return hashlib.sha256(bare.encode()).hexdigest()[:16]
