"""Pictures of one's own under attack: files in, hostile files and their records out."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

import sallet
from sallet.attacks.checks import cell_flags
from sallet.core.errors import InputError, UsageError
from sallet.core.goal import Goal, Kind, Outcome, Verdict
from sallet.core.guarded import Guarded, varies
from sallet.core.protocols import (
    Attack,
    Choosing,
    Defense,
    Enough,
    Hostile,
    Judge,
    Model,
    Progress,
    Wilful,
    silent,
)
from sallet.core.query import Answer, Failure, Query
from sallet.core.seeds import derive
from sallet.harness.asking import Reply, judged
from sallet.harness.revision import revision
from sallet.media.file import ImageFile, open_image
from sallet.runs.recipe import AttackSpec, DefenseSpec, Spec, digest

CHUNK = 64
"""Pictures that are attacked before the first of them are written."""


@dataclass(frozen=True)
class Job:
    """One picture and what is wanted of it; `text` None: whatever it says now, to be left."""

    name: str
    path: Path
    ask: str
    kind: Kind
    text: str | None = None
    names: tuple[str, ...] = ()
    system: str | None = None

    @property
    def query(self) -> Query:
        """The question about the picture as its file has it."""
        return Query.ask(open_image(self.path), self.ask, system=self.system)


@dataclass(frozen=True)
class Setting:
    """Who is attacked, with what, and whether the attacker knows the defence."""

    model: Spec
    attack: AttackSpec
    defense: DefenseSpec
    known: bool = True
    seed: int = 0
    votes: int = 3
    """Questions to what may answer otherwise the next time, each with a fresh defence seed; most of
    them must fall."""

    @property
    def plain(self) -> dict[str, Any]:
        """What a record says of it."""
        return {
            "model": self.model.name,
            "attack": self.attack.name,
            "norm": self.attack.norm,
            "eps": self.attack.eps,
            "params": dict(self.attack.params),
            "defense": self.defense.name,
            "access": "oblivious" if self.defense.name == "none" or not self.known else "adaptive",
            "seed": self.seed,
        }


@dataclass(frozen=True)
class Made:
    """A picture after its attack: what was asked, what was made, and what was said of both."""

    job: Job
    goal: Goal
    query: Query
    hostile: Hostile
    clean: Answer | Failure
    seconds: float
    flags: tuple[str, ...]
    stopped: bool = False

    @property
    def reworded(self) -> bool:
        """Whether other words are asked than the client's own."""
        return self.hostile.query.user_text != self.query.user_text

    @property
    def repainted(self) -> bool:
        """Whether other pictures are shown than the client's own."""
        return self.hostile.query.images != self.query.images

    @property
    def begun(self) -> bool:
        """Whether the attack came to it before it was stopped."""
        return bool(self.hostile.steps or self.hostile.looks or self.hostile.asks)


@dataclass
class Range:
    """Everything that an attack on pictures of one's own needs, built once."""

    setting: Setting
    model: Model
    defense: Defense
    attack: Attack
    judge: Judge
    guarded: Guarded = field(init=False)

    def __post_init__(self) -> None:
        if isinstance(self.model, Choosing):
            raise UsageError(
                f"{self.model.name} is an encoder and answers nothing; attack a model, or name the "
                "encoder under `sources` of a recipe"
            )
        self.guarded = Guarded(self.model, self.defense)

    def made(self, jobs: Sequence[Job], progress: Progress = silent) -> Iterator[Made]:
        """Attacks all of them, a chunk at a time; ends early where `progress` says `Enough`."""
        for start in range(0, len(jobs), CHUNK):
            part, stopped = jobs[start : start + CHUNK], [False]

            def told(going: Any, stopped: list[bool] = stopped) -> None:
                try:
                    progress(going)
                except Enough:
                    stopped[0] = True
                    raise

            made = [*self._chunk(part, told)]
            if stopped[0]:
                yield from (replace(one, stopped=True) for one in made if one.begun)
                return
            yield from made

    def _chunk(self, jobs: Sequence[Job], progress: Progress) -> Iterator[Made]:
        queries = [
            job.query.with_defense_seed(derive(self.setting.seed, "attack", job.name))
            for job in jobs
        ]
        clean = self.guarded.answer(queries)
        goals = [
            self.attack.wants(query) if isinstance(self.attack, Wilful) else goal_of(job, said)
            for job, query, said in zip(jobs, queries, clean, strict=True)
        ]
        hidden = not self.setting.known or self.setting.defense.name == "none"
        target = self.model if hidden else self.guarded
        began = time.perf_counter()
        hostiles = self.attack(
            target, queries, goals, judge=self.judge,
            seed=derive(self.setting.seed, "attack", "start"), progress=progress,
        )  # fmt: skip
        seconds = (time.perf_counter() - began) / len(jobs)
        flags = cell_flags(hostiles, None if hidden else self.defense, self.attack)
        for values in zip(jobs, goals, queries, hostiles, clean, strict=True):
            yield Made(*values, seconds, flags)

    def scored(self, made: Made, files: Sequence[Path]) -> tuple[Verdict, list[Reply]]:
        """What the guarded model says of the saved files, and how the judge takes it."""
        query = made.hostile.query
        if files:
            query = query.with_images([ImageFile(path).canonical().image for path in files])
        votes = self.setting.votes if varies(self.guarded) else 1
        asked = [
            query.with_defense_seed(derive(self.setting.seed, "evaluate", made.job.name, k))
            for k in range(votes)
        ]
        replies = [Reply(answer, 1, 0) for answer in self.guarded.answer(asked)]
        pairs = zip(asked, replies, strict=True)
        verdicts = [judged(self.judge, one, reply, made.goal) for one, reply in pairs]
        return most(verdicts), replies

    def record(self, made: Made, files: Sequence[Path]) -> dict[str, Any]:
        """What stands beside the hostile files. Those with pictures are read again and scored; an
        attack on words alone has none, and leaves the pictures that it was given."""
        verdict, replies = self.scored(made, files)
        before = judged(self.judge, made.query, Reply(made.clean, 1, 0), made.goal)
        clean, hostile = made.query.images, made.hostile.query.images
        return {
            "image": str(made.job.path),
            "digest": [image.digest for image in clean],
            "files": [path.name for path in files],
            "hostile_digest": [image.digest for image in hostile],
            "ask": made.job.ask,
            "asked": made.hostile.query.user_text,
            "system": made.job.system,
            "goal": {"kind": made.goal.kind, "text": made.goal.text, "names": [*made.goal.names]},
            **self.setting.plain,
            "model_revision": revision(self.model),
            "judge": self.judge.name,
            "already": before.outcome is Outcome.SUCCESS,
            "stopped": made.stopped,
            "outcome": verdict.outcome.value,
            "reason": verdict.reason,
            "clean_answer": Reply(made.clean, 1, 0).text,
            "answer": replies[0].text,
            "answers": [reply.text for reply in replies],
            "budget": [used(a.pixels(), b.pixels()) for a, b in zip(clean, hostile, strict=True)],
            "steps": made.hostile.steps,
            "step": getattr(self.attack, "first_step", None),
            "looks": made.hostile.looks,
            "asks": made.hostile.asks,
            "eot": made.hostile.eot,
            "by": made.hostile.by,
            "loss": [made.hostile.start, made.hostile.end],
            "curve": [*made.hostile.curve],
            "flags": [*made.flags],
            "seconds": round(made.seconds, 3),
            "settings": self.digest(made.job),
            "sallet": sallet.__version__,
        }

    def digest(self, job: Job) -> str:
        """What decides the hostile file: the same command makes it only once."""
        goal = [job.kind, job.text, [*job.names], job.ask, job.system]
        picture = open_image(job.path).digest
        judged = [self.judge.name, self.setting.votes]
        return digest([self.setting.plain, revision(self.model), judged, goal, picture])


def check_file(job: Job) -> None:
    """Raises, naming the file, where the picture cannot be read."""
    try:
        open_image(job.path)
    except InputError as error:
        raise UsageError(str(error)) from None


def goal_of(job: Job, said: Answer | Failure) -> Goal:
    """The goal; what is to be left may be what the model says of the clean picture."""
    text = job.text
    if text is None:
        if isinstance(said, Failure):
            raise UsageError(
                f"{job.path}: the model has no answer to leave ({said.error}); give it a text"
            )
        text = said.text
    if not text.strip():
        raise UsageError(f"{job.path}: the goal's text is empty; say what is wanted in words")
    if job.kind == "jailbreak":
        return Goal.stop_refusing(text, *job.names)
    make = Goal.say if job.kind == "targeted" else Goal.stop_saying
    return make(text, *job.names)


def used(clean: Any, hostile: Any) -> dict[str, float]:
    """The budget that a file really used, in 8-bit steps."""
    if clean.shape != hostile.shape:
        return {"resized": 1.0}
    change = hostile.astype(np.int16) - clean.astype(np.int16)
    return {
        "largest": float(np.abs(change).max()),
        "mean": round(float(np.abs(change).mean()), 4),
        "l2": round(float(np.sqrt(np.square(change.astype(np.float64)).sum())), 3),
        "changed": round(float((change != 0).any(-1).mean()), 4),
    }


def most(verdicts: Sequence[Verdict]) -> Verdict:
    """The verdict of most votes, a tie being the defender's; unassessed where those that nobody
    could read would have decided."""

    def of(outcome: Outcome) -> list[Verdict]:
        return [verdict for verdict in verdicts if verdict.outcome is outcome]

    wins, losses, lost = of(Outcome.SUCCESS), of(Outcome.RESISTED), of(Outcome.UNASSESSED)
    if len(wins) > len(losses) + len(lost):
        return wins[0]
    return losses[0] if losses and len(losses) >= len(wins) + len(lost) else lost[0]
