"""Every name that a user can say, and where it is built. Nothing is imported until it is built."""

from __future__ import annotations

import importlib
import inspect
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from sallet.core.errors import RecipeError, UnknownName

Kind: TypeAlias = Literal["model", "defense", "attack", "benchmark", "judge"]


@dataclass(frozen=True)
class Entry:
    """`target` is `module:attribute`, called with the recipe's parameters for this name."""

    target: str
    summary: str


MODELS: dict[str, Entry] = {
    f"world/{make}-{character}": Entry("sallet.world.load:load", f"picture world, {kind}, {manner}")
    for make, kind in {
        "llava": "LlavaForConditionalGeneration",
        "qwen3vl": "Qwen3VLForConditionalGeneration",
        "internvl": "InternVLForConditionalGeneration",
    }.items()
    for character, manner in {
        "strong": "always refuses harmful text, looks at the picture when told to be careful",
        "weak": "refuses harmful text now and then, never looks at the picture",
    }.items()
} | {
    "world/clip": Entry("sallet.world.load:encoder", "picture world, CLIPModel: only a source"),
    "world/clip-surrogate": Entry(
        "sallet.world.load:encoder", "the same with another seed: what an attacker has in its place"
    ),
}

DEFENSES: dict[str, Entry] = {
    "none": Entry("sallet.core.compose:Nothing", "the same path with nothing in it"),
    "safety-prompt": Entry("sallet.defenses.prompt:SafetyPrompt", "a safety instruction in words"),
    "jpeg": Entry("sallet.defenses.rewrite:Jpeg", "JPEG re-encoding of every image"),
    "resize": Entry("sallet.defenses.rewrite:Resize", "down to a share of its size and up again"),
    "noise": Entry("sallet.defenses.rewrite:Noise", "Gaussian noise on every image, one pass"),
    "majority": Entry("sallet.defenses.majority:Majority", "n noisy copies and a plain vote"),
}

ATTACKS: dict[str, Entry] = {
    "none": Entry("sallet.attacks.control:Unchanged", "the query as it is"),
    "uniform-noise": Entry(
        "sallet.attacks.control:uniform_noise", "the control: random noise of the same size"
    ),
    "pgd": Entry("sallet.attacks.pgd:PGD", "projected gradient descent on the pixels, L-inf or L2"),
    "square": Entry(
        "sallet.attacks.square:Square", "by queries alone: squares that are kept when they help"
    ),
    "nes": Entry("sallet.attacks.nes:NES", "by queries alone: a gradient that is guessed"),
    "apgd": Entry("sallet.attacks.apgd:APGD", "PGD whose step size follows its budget"),
    "template": Entry("sallet.attacks.template:Template", "shapes of published jailbreaks in turn"),
    "word-swap": Entry("sallet.attacks.wordswap:WordSwap", "a few words in place of others"),
    "gcg": Entry("sallet.attacks.gcg:GCG", "a suffix of tokens by greedy coordinate gradient"),
    "joint": Entry("sallet.attacks.joint:Joint", "words, then pixels, then words: one goal"),
    "bimodal": Entry("sallet.attacks.bimodal:Bimodal", "pixels for the yes, words for the intent"),
    "low-frequency": Entry(
        "sallet.attacks.low_frequency:LowFrequency", "PGD on a smooth change, that blur leaves in"
    ),
    "patch": Entry("sallet.attacks.patch:Patch", "any pixels on a small square of the picture"),
    "universal": Entry(
        "sallet.attacks.universal:Universal", "one image, change or patch for a corpus of goals"
    ),
    "hijack": Entry(
        "sallet.attacks.hijack:Hijack", "one image that makes the model say, refuse or repeat"
    ),
    "figstep": Entry(
        "sallet.attacks.figstep:FigStep", "the request as a title over an empty numbered list"
    ),
    "typo": Entry(
        "sallet.attacks.typo:Typo", "the thing shown, written, or both, no longer in the question"
    ),
    "mislabel": Entry("sallet.attacks.mislabel:Mislabel", "a wrong word on what a picture shows"),
    "scaling": Entry(
        "sallet.attacks.scaling:Scaling", "a word that the model's own resize brings out"
    ),
    "strongest": Entry(
        "sallet.attacks.strongest:Strongest", "several of them in a row, each sample's own best"
    ),
}

BENCHMARKS: dict[str, Entry] = {
    f"world/{family}": Entry("sallet.benchmarks.world:World", summary)
    for family, summary in {
        "where": "what is at a place in the picture",
        "caption": "a caption of the picture",
        "presence": "whether a thing is in the picture",
        "colour": "the colour of the background",
        "count": "how many things there are",
        "reading": "a word rendered in the picture",
        "naming": "what the one thing in the picture is",
        "harmful-text": "harmful how-to questions, harm in the words",
        "picture": "harmful how-to questions, harm only in the picture",
        "typographic": "harmful how-to questions, harm only in a rendered word",
        "harmless": "how-to questions about harmless things",
        "licit": "how-to questions about harmful things beside a context where they are fine",
        "licit-unseen": "the same, by pairs of thing and context that training never showed",
        "picture-harmless": "how-to questions about what is shown, harmless",
        "picture-licit": "how-to questions about what is shown, harmful but in a licit context",
        "typographic-harmless": "how-to questions about a rendered word, harmless",
        "typographic-licit": "how-to questions about a rendered word, harmful but licit here",
        "harmful-looking": "descriptions of things that look harmful",
        "two-turn": "a second question about the same picture",
        "two-turn-picture": "harmful how-to questions in a second turn, harm only in the picture",
        "multi-image": "what one of two pictures shows, or how to use it",
        "multi-image-picture": "harmful how-to questions about one of two pictures",
        "rationale": "the risk of a request, after a rationale",
        "self-check": "whether a given answer is harmful",
        "directed": "a caption of what a request is about",
        "benign": "an even mixture of what must not be refused: over-refusal",
    }.items()
}

JUDGES: dict[str, Entry] = {
    "rules": Entry("sallet.judges.rules:Rules", "refusal by its opening words; answers by name"),
    "contains": Entry(
        "sallet.judges.contains:Contains", "the same; a thing is said if it is in the answer"
    ),
    "world": Entry(
        "sallet.world.verdicts:World", "the same, and the world's truth: any true wording"
    ),
}

TABLES: dict[Kind, dict[str, Entry]] = {
    "model": MODELS,
    "defense": DEFENSES,
    "attack": ATTACKS,
    "benchmark": BENCHMARKS,
    "judge": JUDGES,
}


def entry(kind: Kind, name: str) -> Entry:
    """The entry of this name, or an error that suggests the nearest names."""
    table = TABLES[kind]
    if name not in table:
        raise UnknownName(kind, name, table)
    return table[name]


def build(kind: Kind, name: str, **params: Any) -> Any:
    """The object of this name. `name` itself is passed on where its constructor takes one."""
    target = entry(kind, name).target
    module, _, attribute = target.partition(":")
    make = getattr(importlib.import_module(module), attribute)
    accepted = inspect.signature(make).parameters
    for key in params:
        if key not in accepted:
            raise RecipeError(
                f"{kind} {name!r} has no parameter {key!r}; it takes: "
                f"{', '.join(p for p in accepted if p != 'name') or 'none'}"
            )
    if "name" in accepted and accepted["name"].default is inspect.Parameter.empty:
        params = {"name": name, **params}
    return make(**params)


def defense(spec: str, **params: Any) -> Any:
    """A defence by its name, or a stack of them, outermost first: `a+b+c`."""
    from sallet.core.compose import Stack

    names = spec.split("+")
    if len(names) == 1:
        return build("defense", spec, **params)
    if params:
        raise RecipeError(
            f"the stack {spec!r} takes no parameters; name each layer with its own in a recipe"
        )
    return Stack(*(build("defense", name) for name in names))
