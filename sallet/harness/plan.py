"""From a recipe to its cells: every combination that makes sense, each with its samples."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from itertools import product
from pathlib import Path

from sallet import catalog
from sallet.core.errors import RecipeError, UnknownName, UsageError
from sallet.core.goal import Goal
from sallet.core.protocols import Picky, Shared, Wilful
from sallet.core.sample import Benchmark, Sample
from sallet.harness import seeds
from sallet.harness.halves import halves
from sallet.harness.parts import Parts, resolved
from sallet.runs.recipe import (
    FIXED_SEED,
    AttackSpec,
    BenchmarkSpec,
    DefenseSpec,
    EnsembleSpec,
    Recipe,
    Spec,
    digest,
    members,
)
from sallet.runs.record import Access, CellKey, Scalar

FEW = 8
"""Samples of a cell that an attack is tried on in words, before anything is asked."""


@dataclass(frozen=True)
class PlannedCell:
    """One cell: its key, what it is made of, and its samples."""

    key: CellKey
    model: Spec
    benchmark: BenchmarkSpec
    attack: AttackSpec
    defense: DefenseSpec
    source: Spec | None
    samples: tuple[Sample, ...]
    crafting: tuple[Sample, ...] = ()
    """What one thing for all samples is found on, where the attack makes one."""
    pinned: int | None = None  # the one defence seed of the fixed-seed mode

    @cached_property
    def digest(self) -> str:
        """What the rows of this cell have in common."""
        return digest(asdict(self.key))


@dataclass(frozen=True)
class Plan:
    """A recipe with every default written out, its cells, and what was left out and why."""

    recipe: Recipe
    cells: tuple[PlannedCell, ...]
    notes: tuple[str, ...]

    @property
    def order(self) -> Iterator[tuple[str, str]]:
        """The cell and the sample of every row, as the rows of a finished run lie."""
        return ((cell.digest, sample.id) for cell in self.cells for sample in cell.samples)

    def only(self, wanted: Mapping[str, str]) -> Plan:
        """The cells whose key says this."""
        if not wanted:
            return self
        shown = [(cell, _shown(cell.key)) for cell in self.cells]
        for key, value in wanted.items():
            if key not in shown[0][1]:
                raise UnknownName("key of --only", key, shown[0][1])
            known = {one[key] for _, one in shown}
            if value not in known:
                raise UnknownName(f"{key} of --only (this recipe has others)", value, known)
        cells = tuple(
            cell for cell, one in shown if all(one[key] == value for key, value in wanted.items())
        )
        if not cells:
            raise RecipeError("no cell of this recipe has all that --only asks for; see --dry-run")
        return replace(self, cells=cells)


def plan(recipe: Recipe, parts: Parts) -> Plan:
    """Every cell of the recipe: by model, then benchmark, attack, access and defence."""
    recipe = resolved(recipe)
    _check_restrictions(recipe)
    for defense in recipe.defenses:  # what it cannot be built from is said before anything is asked
        parts.defense(defense)
    pinned = seeds.fixed(recipe.seed) if recipe.fixed_seed else None
    cells: list[PlannedCell] = []
    notes: list[str] = []
    benchmarks = [(spec, parts.benchmark(spec)) for spec in recipe.benchmarks]
    drawn = [(s, b, b.samples(s.limit, recipe.seed)) for s, b in benchmarks]
    for model, (spec, benchmark, samples), attack in product(recipe.models, drawn, recipe.attacks):
        if attack.benchmarks and spec.name not in attack.benchmarks:
            continue
        groups = _groups(_wilful(samples, attack, parts), attack)
        _check_fits(groups, spec, attack, parts)
        if not groups:
            note = f"no sample of {spec.name} has the goal {attack.goal}; {attack.name} is left out"
            notes += [note] if note not in notes else []
        for (goal, split), group in groups.items():
            parted = _parted(split, group, spec, attack, recipe.seed, parts)
            for access, source, defense in _arms(recipe, model, attack):
                key = _key(recipe, model, benchmark, spec, attack, access, source, defense)
                for half, own, crafting in parted:
                    named = replace(key, goal=goal, split=half or attack.split)
                    cells.append(
                        PlannedCell(
                            named, model, spec, attack, defense, source, own, crafting, pinned
                        )
                    )
    if not cells:
        raise RecipeError("; ".join(notes) or "no combination of this recipe makes a cell")
    _check_different(cells)
    return Plan(recipe, tuple(cells), tuple(notes))


def label(model: Spec) -> str:
    """What a model is called in a cell: a folder by its own name, without its place; an ensemble
    by its members."""
    if isinstance(model, EnsembleSpec):
        return "+".join(label(one) for one in model.of)
    if model.target is not None or model.name in catalog.table("model"):
        return model.name
    path = Path(model.name)
    return path.resolve().name if path.is_dir() else model.name


def goal_of(cell: PlannedCell, sample: Sample) -> Goal:
    """What the attacker wants of this sample; unattacked, what judges it."""
    return sample.default if cell.attack.goal is None else sample.goals[cell.attack.goal]


def _groups(
    samples: Sequence[Sample], attack: AttackSpec
) -> dict[tuple[str | None, str | None], list[Sample]]:
    """Samples by goal and split: what one cell's rates may be taken over.

    Unattacked, a harmful sample has the goal *jailbreak* (to comply is the attacker's success) and
    a benign one has none.
    """
    groups: dict[tuple[str | None, str | None], list[Sample]] = {}
    for sample in samples:
        goal = attack.goal or ("jailbreak" if sample.harmful else None)
        if attack.goal is None or attack.goal in sample.goals:
            groups.setdefault((goal, sample.split), []).append(sample)
    return groups


def _wilful(samples: Sequence[Sample], attack: AttackSpec, parts: Parts) -> list[Sample]:
    """The samples; with the attack's own goal, where it has one of its own for every query."""
    built = parts.attack(attack)
    if not isinstance(built, Wilful):
        return list(samples)
    wanted = [(sample, built.wants(sample.query)) for sample in samples]
    for _, goal in wanted[:1]:
        if goal.kind != attack.goal:
            raise RecipeError(f"the attack {attack.name!r} has the goal {goal.kind}: say so")
    return [replace(one, goals={**one.goals, goal.kind: goal}) for one, goal in wanted]


def _check_fits(
    groups: Mapping[tuple[str | None, str | None], list[Sample]],
    benchmark: BenchmarkSpec,
    attack: AttackSpec,
    parts: Parts,
) -> None:
    """What an attack cannot do with a benchmark's questions is said before the first answer."""
    built = parts.attack(attack)
    if not isinstance(built, Picky):
        return
    for group in groups.values():
        for sample in group[:FEW]:
            goal = sample.default if attack.goal is None else sample.goals[attack.goal]
            try:
                built.check(sample.query, goal)
            except UsageError as error:
                raise RecipeError(f"{attack.name} on {benchmark.name}: {error}") from error


def _parted(
    split: str | None,
    group: Sequence[Sample],
    spec: BenchmarkSpec,
    attack: AttackSpec,
    seed: int,
    parts: Parts,
) -> list[tuple[str | None, tuple[Sample, ...], tuple[Sample, ...]]]:
    """Split, samples, and what to craft on: in halves where the attack makes one thing for all.

    `split` then says which half it is; a benchmark's own split is among its parameters.
    """
    if not isinstance(parts.attack(attack), Shared):
        return [(split, tuple(group), ())]
    both = halves(group, spec.name, seed)
    return [("seen", both.seen, both.crafting), ("unseen", both.unseen, both.crafting)]


def _arms(
    recipe: Recipe, model: Spec, attack: AttackSpec
) -> Iterator[tuple[Access, Spec | None, DefenseSpec]]:
    """Who the attacker may look at, for each defence.

    Against no defence the bare model *is* the guarded one: one cell, called oblivious.
    """
    kept = [d for d in recipe.defenses if not attack.defenses or d.name in attack.defenses]
    if attack.blind:
        for defense in kept:
            yield "none", None, defense
        return
    asked = attack.access or recipe.access
    for defense in kept:
        if defense.name == "none":
            if "oblivious" in asked or "adaptive" in asked:
                yield "oblivious", None, defense
        else:
            if "oblivious" in asked:
                yield "oblivious", None, defense
            if "adaptive" in asked:
                yield "adaptive", None, defense
        if "transfer" in asked:
            for source in recipe.sources:
                if model not in members(source):
                    yield "transfer", source, defense


def _key(
    recipe: Recipe,
    model: Spec,
    benchmark: Benchmark,
    spec: BenchmarkSpec,
    attack: AttackSpec,
    access: Access,
    source: Spec | None,
    defense: DefenseSpec,
) -> CellKey:
    params: dict[str, Scalar] = dict(attack.params)
    for kind, part in (("model", model), ("benchmark", spec)):
        params |= {f"{kind}.{key}": value for key, value in part.params.items()}
    for layer in defense.layers:
        within = "defense" if len(defense.layers) == 1 else f"defense.{layer.name}"
        params |= {f"{within}.{key}": value for key, value in layer.params.items()}
    sources = members(source) if source else ()
    for one in sources:  # a source's settings are its own; those of a member stand under its name
        within = "source" if len(sources) == 1 else f"source.{label(one)}"
        params |= {f"{within}.{key}": value for key, value in one.params.items()}
    if recipe.fixed_seed:
        params[FIXED_SEED] = True
    return CellKey(
        model=label(model),
        attack=attack.name,
        access=access,
        defense=defense.name,
        benchmark=spec.name,
        goal=None,
        norm=attack.norm,
        eps=attack.eps,
        params=params,
        source=label(source) if source else None,
        resubmissions=recipe.resubmissions,
        judge=recipe.judge or benchmark.judge,
    )


def _check_restrictions(recipe: Recipe) -> None:
    for attack in recipe.attacks:
        for kind, names, known in (
            ("benchmark", attack.benchmarks, [spec.name for spec in recipe.benchmarks]),
            ("defense", attack.defenses, [spec.name for spec in recipe.defenses]),
        ):
            for name in names:
                if name not in known:
                    raise UnknownName(f"{kind} of attack {attack.name!r}", name, known)


def _check_different(cells: Sequence[PlannedCell]) -> None:
    seen: set[str] = set()
    for cell in cells:
        if cell.digest in seen:
            key = cell.key
            raise RecipeError(
                f"two cells are the same: {key.model}, {key.benchmark}, {key.attack}, "
                f"{key.access}, {key.defense}; remove one, or give it other parameters"
            )
        seen.add(cell.digest)


def _shown(key: CellKey) -> dict[str, str]:
    """The key's values as a user types them: `eps=8`, `goal=none`."""
    return {
        name: f"{value:g}" if isinstance(value, float) else "none" if value is None else str(value)
        for name, value in asdict(key).items()
        if name != "params"
    }
