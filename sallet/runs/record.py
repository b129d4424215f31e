"""What a run writes: a `Row` for each sample of each cell, and a `Cell` that sums them up."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from sallet.core.statistics import Rate

Access: TypeAlias = Literal["none", "oblivious", "adaptive", "transfer"]
Scalar: TypeAlias = str | int | float | bool | None


@dataclass(frozen=True)
class CellKey:
    """What a row and its cell have in common; names are catalogue names, eps in 8-bit units."""

    model: str
    attack: str
    access: Access
    defense: str
    benchmark: str
    goal: str | None
    norm: str | None
    eps: float | None
    params: dict[str, Scalar] = field(default_factory=dict[str, Scalar])
    source: str | None = None
    resubmissions: int = 1
    split: str | None = None
    judge: str = ""


@dataclass(frozen=True)
class Said:
    """One thing that was asked and what came: all that a judge needs to judge it again."""

    text: str | None  # None: no answer could be had
    refused_by: str | None = None
    finish: str = "stop"
    error: str | None = None


@dataclass(frozen=True)
class Row:
    """One sample of one cell, as answered and as judged."""

    cell: str  # digest of the key: rows of one cell share it
    key: CellKey
    sample: str
    cluster: str  # samples of one cluster are not independent (one noun, one prompt)
    harmful: bool
    question: str
    reference: tuple[str, ...]
    wanted: str | None  # what the attacker wanted said, if anything
    answer: str | None
    outcome: str  # success, resisted or unassessed: of the attacker
    reason: str
    right: bool | None  # benign task answered right
    refused_by: str | None
    eligible: bool | None  # answered right by this guarded model when unattacked (untargeted only)
    clean_answer: str | None  # what this guarded model said of the clean image
    clean_images: tuple[str, ...]  # digests; files are artifacts/<digest>.png
    hostile_images: tuple[str, ...]
    defense_seeds: tuple[int, ...]
    attempts: int  # resubmissions made until success, or all
    asks: float  # model queries for one answer
    seconds: float  # for one answer, of its pooled share
    loss_start: float | None
    loss_end: float | None
    steps: int
    gradient: float | None  # size of the attack's first gradient
    flags: tuple[str, ...]
    model_revision: str
    defense_config: str  # digest
    code: str  # version of sallet
    attack_seconds: float
    clean_right: bool | None = None  # of `clean_answer`, on a seed that eligibility did not see
    tries: tuple[Said, ...] = ()  # every submission, in order
    votes: tuple[Said, ...] = ()  # unattacked: on the evaluation's own seed, then eligibility's
    cached: bool = False  # whether all of it was known from another run
    by: str = ""  # the member of an ensemble that made the hostile image
    source_outcome: str | None = None  # transfer only: of the source itself, all its members
    source_eligible: bool | None = None  # whether they were right of the clean image (untargeted)
    source_tries: tuple[Said, ...] = ()  # what each said, or chose, of the hostile image
    source_votes: tuple[Said, ...] = ()  # and of the clean one (untargeted only)
    attack_looks: int = 0  # losses and gradients that the attacker took of this sample
    attack_asks: int = 0  # answers that the attacker asked for
    copies: tuple[Said, ...] = ()  # of `answer`, where a defence chose it among several
    category: str = ""  # of the benchmark
    source_data: str = ""  # revision of the benchmark's files
    score: float | None = None  # the judge's own mark, where it gives one
    against: float | None = None  # the mark of what the answer was compared with
    thoughts: str = ""  # what a judge that reasons wrote before its verdict
    second_judge: str = ""  # another judge's view of the same answer; rates do not use it
    second_outcome: str = ""
    second_reason: str = ""


@dataclass(frozen=True)
class Cell:
    """The sums of one cell: DESIGN's contract for `summary.json`. Rates are over assessed rows."""

    key: CellKey
    n: int
    unassessed: int
    asr: Rate | None
    harmless: Rate | None
    over_refusal: Rate | None
    utility: Rate | None
    refused_by: dict[str, int]
    calls_per_answer: float
    seconds_per_answer: float
    flip_rate: Rate | None  # right unattacked by majority, wrong on a fresh defence seed
    eligible: int
    flags: tuple[str, ...]
    interval: str = "wilson"  # how the rates' intervals were made
    clusters: int = 0
    reasons: dict[str, int] = field(default_factory=dict[str, int])  # of the judge, if assessed
    attack_seconds: float = 0.0  # for one sample
    attack_looks: float = 0.0  # losses, probabilities and gradients taken, for one sample
    attack_asks: float = 0.0  # answers asked for, for one sample
    refusal_rates: dict[str, Rate] = field(default_factory=dict[str, Rate])  # by who refused
    resubmission_curve: tuple[Rate, ...] = ()  # success after 1, 2, ... submissions; the last: asr
    broken_by: dict[str, int] = field(default_factory=dict[str, int])  # by an ensemble's member
    source_asr: Rate | None = None  # transfer only: success on the source itself
    source_n: int = 0  # the rows that it is over
    official: dict[str, Rate] = field(default_factory=dict[str, Rate])  # of the benchmark's scorer
    second_judge: str = ""
    disagreement: Rate | None = None  # of the two judges, over rows that both assessed
    second_unassessed: int = 0
    categories: dict[str, Rate] = field(default_factory=dict[str, Rate])  # of the cell's main rate
