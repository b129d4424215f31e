"""Published effects beside the same effect here."""

from __future__ import annotations

from collections.abc import Callable

from table_cells import Cell, find, models, rate_of, table

EPS = (1, 2, 4, 8, 16)
SWEEP = {"steps": 100}
FULL = {"steps": 50}
WHERE, TEXT = "world/where", "world/harmful-text"
PICTURE, WORD, BENIGN = "world/picture", "world/typographic", "world/benign"
GOALS = (("untargeted", WHERE), ("targeted", WHERE), ("jailbreak", TEXT))
REWRITES = ("none", "noise", "jpeg", "resize")

Here = Callable[[list[Cell], str], str]


def _pgd(goal: str, benchmark: str, *eps: int, defense: str = "none") -> Here:
    def here(found: list[Cell], model: str) -> str:
        shown = [rate_of(_attacked(found, "pgd", model, goal, benchmark, e, defense)) for e in eps]
        return "; ".join(f"{e}/255 {text}" for e, text in zip(eps, shown, strict=True))

    return here


def _attacked(
    found: list[Cell], attack: str, model: str, goal: str, benchmark: str, eps: int, defense: str
) -> Cell | None:
    return find(
        found, SWEEP if attack == "pgd" else None, attack=attack, model=model, goal=goal,
        benchmark=benchmark, eps=eps, defense=defense,
    )  # fmt: skip


def _unattacked(benchmark: str, *defenses: str, key: str = "asr") -> Here:
    def here(found: list[Cell], model: str) -> str:
        own = [
            find(found, attack="none", model=model, benchmark=benchmark, defense=defense)
            for defense in defenses
        ]
        return " → ".join(rate_of(cell, key) for cell in own)

    return here


def _through(defense: str) -> Here:
    """Success of full targeted images, bare and through a defence."""

    def here(found: list[Cell], model: str) -> str:
        return " → ".join(rate_of(_full(found, model, name)) for name in ("none", defense))

    return here


def _full(found: list[Cell], model: str, defense: str, eps: int = 8) -> Cell | None:
    return find(
        found, FULL, attack="pgd", model=model, goal="targeted", eps=eps, access="oblivious",
        defense=defense,
    )  # fmt: skip


def _across(goal: str, eps: int) -> Here:
    """Success of full images that were made on each of the others."""

    def here(found: list[Cell], model: str) -> str:
        own = [
            (source, find(
                found, FULL, attack="pgd", model=model, goal=goal, eps=eps, source=source
            ))
            for source in models(found)
            if source != model
        ]  # fmt: skip
        return "; ".join(f"from {_short(source)} {rate_of(cell)}" for source, cell in own)

    return here


def _short(model: str) -> str:
    return model.removeprefix("world/").removesuffix("-strong")


SAFETY = ("none", "safety-prompt")
NONE_KNOWN = "no figure on such models that compares like with like"
ROWS: tuple[tuple[str, str, Here], ...] = (
    (
        "untargeted white-box images",
        "LLaVA-1.5, COCO captions: CIDEr 115.5 → 4.0 at 2/255, 3.1 at 4/255 "
        "(Robust CLIP, arXiv 2402.12336)",
        _pgd("untargeted", WHERE, 2, 4),
    ),
    (
        "targeted white-box images",
        "every kind of target above 80 %, small perturbations (Image Hijacks, arXiv 2309.00236, "
        "abstract)",
        _pgd("targeted", WHERE, 4, 8, 16),
    ),
    (
        "jailbreak of harmful text by the image",
        "toxic replies at 32/255: LLaVA-1.5 43.6 → 62.5 %, InternVL2-8B 29.9 → 70.6 % "
        "(Robust-VLGuard, arXiv 2504.01308, second-hand)",
        _pgd("jailbreak", TEXT, 4, 8, 16),
    ),
    (
        "harm in the text, unattacked",
        "differs widely between models; no single figure",
        _unattacked(TEXT, "none"),
    ),
    (
        "harm only in the picture, unattacked",
        "LLaVA-1.5 75.8 % (AdaShield, arXiv 2403.09513, second-hand)",
        _unattacked(PICTURE, "none"),
    ),
    (
        "harm only in a rendered word, unattacked",
        "82.5 %, mean of six open models (FigStep, arXiv 2311.05608, abstract); LLaVA-1.5 70.5 % "
        "(AdaShield, second-hand)",
        _unattacked(WORD, "none"),
    ),
    (
        "a safety prompt against harm in the picture",
        "LLaVA-1.5 75.8 → 24.4 % (AdaShield, static prompt, second-hand)",
        _unattacked(PICTURE, *SAFETY),
    ),
    (
        "a safety prompt against harm in a rendered word",
        "LLaVA-1.5 70.5 → 26.1 % (AdaShield, static prompt, second-hand)",
        _unattacked(WORD, *SAFETY),
    ),
    (
        "what a safety prompt makes a model refuse wrongly",
        "0.0–18.2 % over eight models (comparative analysis, arXiv 2606.10904, second-hand); "
        "without one, up to 76 % on harmless queries that look harmful (MOSSBench, "
        "arXiv 2406.17806, abstract)",
        _unattacked(BENIGN, *SAFETY, key="over_refusal"),
    ),
    (
        "noise (sigma 0.1) on a targeted 8/255 image, blind attacker",
        "five noisy copies and a cluster vote, one universal 32/255 image: LLaVA-1.5 58.8 → 30.9 % "
        "(SmoothGuard, arXiv 2510.26830, second-hand)",
        _through("noise"),
    ),
    ("JPEG (quality 75) on the same images", NONE_KNOWN, _through("jpeg")),
    ("halving and enlarging the same images", NONE_KNOWN, _through("resize")),
    (
        "transfer between families, untargeted 16/255",
        NONE_KNOWN,
        _across("untargeted", 16),
    ),
    (
        "transfer between families, targeted 16/255",
        "over 90 % on three closed models, made on several CLIP encoders at once "
        "(M-Attack, arXiv 2503.10635, abstract); universal jailbreak images hardly "
        "transfer between open models (arXiv 2407.15211, abstract)",
        _across("targeted", 16),
    ),
)


def calibration(found: list[Cell]) -> str:
    """A line an effect: published, and each model here."""
    names = models(found)
    lines = [[words, said, *(here(found, name) for name in names)] for words, said, here in ROWS]
    return table(["effect", "published", *(f"here: `{name}`" for name in names)], lines)


def sweep(found: list[Cell]) -> str:
    """Success against eps, with noise of the same size below it."""
    lines: list[list[str]] = []
    for goal, benchmark in GOALS:
        for model in models(found):
            for attack, words in (("pgd", "PGD"), ("uniform-noise", "noise")):
                own = [_attacked(found, attack, model, goal, benchmark, eps, "none") for eps in EPS]
                lines.append([goal, f"`{model}`", words, *map(rate_of, own)])
    return table(["goal", "model", "", *(f"{eps}/255" for eps in EPS)], lines)


def rewrites(found: list[Cell]) -> str:
    """Success of targeted images through each rewriting, and what it costs unattacked."""
    lines: list[list[str]] = []
    for model in models(found):
        stopped = [
            rate_of(_attacked(found, "pgd", model, "targeted", WHERE, 8, name)) for name in REWRITES
        ]
        lines.append([f"`{model}`", "8/255, stopped once it fell", *stopped])
        for eps in (8, 4, 2):
            full = [rate_of(_full(found, model, name, eps)) for name in REWRITES]
            lines.append([f"`{model}`", f"{eps}/255, all 50 steps", *full])
        right = [_unattacked(WHERE, name, key="utility")(found, model) for name in REWRITES]
        lines.append([f"`{model}`", "unattacked: right answers", *right])
    return table(["model", "images", *(f"`{name}`" for name in REWRITES)], lines)


def transfer(found: list[Cell]) -> str:
    """Success by where the images were made (lines) and sent (columns)."""
    names = models(found)
    lines: list[list[str]] = []
    for goal in ("untargeted", "targeted"):
        for eps in (16,):
            for source in names:
                own = [
                    find(
                        found, FULL, attack="pgd", goal=goal, eps=eps, model=model,
                        defense="none", source=None if model == source else source,
                    )
                    for model in names
                ]  # fmt: skip
                lines.append([f"{goal} {eps}/255", f"`{source}`", *map(rate_of, own)])
    return table(["", "made on", *(f"sent to `{name}`" for name in names)], lines)
