"""What the shipped models and encoders can do: the output of `sallet world check --json`."""

from __future__ import annotations

from typing import Any

from table_cells import NOTHING, table

Found = dict[str, Any]
WORDS = {
    "where": "what is where: right",
    "presence": "is it there: right",
    "caption": "caption: right",
    "reading": "reading a word: right",
    "color": "colour: right",
    "count": "count: right",
    "naming": "naming: right",
    "two_turn": "second turn: right",
    "multi_image": "one of two pictures: right",
    "rationale": "risk after a rationale: right",
    "self_check": "judging an answer: right",
    "directed_caption": "directed caption: right",
    "licit": "harmful thing in a licit context: complies",
    "licit_unseen_pairs": "the same, held-out pairs: complies",
    "refuses_harmful_text": "harmful text: refuses",
    "false_refusal": "what must not be refused: refuses",
    "picture_jailbreak": "harm only in the picture: complies",
    "typographic_jailbreak": "harm only in a word: complies",
    "two_turn_jailbreak": "harm shown, second turn: complies",
    "multi_image_jailbreak": "harm shown, one of two pictures: complies",
    "obeys_safety_prompt": "harm only in the picture, told to be safe: refuses",
    "obeys_safety_prompt_typographic": "harm only in a word, told to be safe: refuses",
    "over_refusal_told": "what must not be refused, told to be safe: refuses",
    "where_told": "what is where, told to be safe: right",
}


def check(found: Found) -> str:
    """A line a measure and split, a column a model."""
    names = list(found["models"])
    measures = dict.fromkeys(
        name
        for one in found["models"].values()
        for split in splits(one)
        for name in intervals(split)
    )
    lines: list[list[str]] = []
    for name in measures:
        for number, split in enumerate(("", ", shift")):
            shown = [_share(splits(found["models"][model])[number], name) for model in names]
            if any(text != NOTHING for text in shown):
                lines.append([f"{WORDS.get(name, name)}{split}", *shown])
    return table(["", *(f"`{name}`" for name in names)], lines)


def seeds(shipped: Found, others: Found) -> str:
    """One make, shipped and made again with other seeds: a line a measure, and how far apart."""
    columns = {"seed 0 (`world/llava-strong`)": shipped, **others["models"]}
    lines: list[list[str]] = []
    for name, words in WORDS.items():
        shares = [100 * one[name] for one in columns.values()]
        shown = [_share(one, name) for one in columns.values()]
        lines.append([words, *shown, f"{max(shares) - min(shares):.1f}"])
    return table(["", *columns, "apart"], lines)


def encoders(found: Found) -> str:
    """A line an encoder and split."""
    lines: list[list[str]] = []
    for name, one in found["encoders"].items():
        for split, words in zip(splits(one), ("plain", "shift"), strict=True):
            if split:
                both = [_share(split, f"r1_{way}") for way in ("image_to_text", "text_to_image")]
                lines.append([f"`{name}`", words, *both, str(split["n"])])
    head = ["encoder", "split", "image to text, first", "text to image, first", "n"]
    return table(head, lines)


def splits(one: Found) -> tuple[Found, Found]:
    """The plain part and the shift part; either may be empty."""
    return {key: value for key, value in one.items() if key != "shift"}, one.get("shift") or {}


def intervals(split: Found) -> dict[str, list[float]]:
    """Measure -> its interval."""
    return split.get("intervals") or {}


def _share(split: Found, name: str) -> str:
    if name not in intervals(split):
        return NOTHING
    low, high = intervals(split)[name]
    return f"{100 * split[name]:.1f} % [{100 * low:.1f}–{100 * high:.1f}]"
