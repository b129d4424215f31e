"""Our scorers beside the scripts that the field scores with, on answers drawn at random.

    pip install --no-deps --target .scorers pycocoevalcap salesforce-lavis
    python benchmarks/official_scorers.py --peers .scorers --json --out results/bench-scorers.json

pycocoevalcap carries the captions' own CIDEr (its tokenizer needs Java, so words are parted by
blanks here); LAVIS carries the VQA authors' evaluation. `cider_apart` is the largest difference of
a caption's mark, of at most 10; `vqa_words_same` the share of answers that both normalise alike,
and `vqa_accuracy_apart` the largest difference of an answer's accuracy where ten people do not all
agree (LAVIS keeps an older script that normalises the answer even where they do).
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import io
import json
import random
import sys
from pathlib import Path
from typing import Any

from sallet.judges.official import cider, vqa

_WORDS = "a the cat dog ship mat red blue sits runs on by two 2 none ten"
WORDS: list[str] = [*_WORDS.split()]
MARKS = ["", "", "", ",", ".", "!", "?", ";", "-", "'", "/", '"', "(", ")", ":", "1,000", "2.5"]


def drawn(rng: random.Random, words: list[str], least: int, most: int) -> str:
    return " ".join(rng.choice(words) for _ in range(rng.randint(least, most)))


def captions(peers: Path, corpora: int) -> float:
    sys.path.insert(0, str(peers))
    from pycocoevalcap.cider.cider import Cider  # pyright: ignore[reportMissingImports]

    apart = 0.0
    for seed in range(corpora):
        rng = random.Random(seed)
        people = [[drawn(rng, WORDS, 1, 14) for _ in range(rng.randint(1, 5))] for _ in range(40)]
        said = [drawn(rng, WORDS, 1, 14) for _ in people]
        answers = {number: [one] for number, one in enumerate(said)}
        _, theirs = Cider().compute_score(dict(enumerate(people)), answers)
        pairs = zip(cider.cider(said, people), theirs, strict=True)
        apart = max(apart, *(abs(ours - other) for ours, other in pairs))
    return apart


def vqa_script(peers: Path) -> Any:
    """LAVIS' copy, loaded alone: the package itself imports much that is not here."""
    path = peers / "lavis/common/vqa_tools/vqa_eval.py"
    spec = importlib.util.spec_from_file_location("vqa_eval", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.VQAEval


def theirs_of(script: Any, said: str, people: list[str]) -> float:
    class Table:
        def __init__(self, entry: dict[str, Any]) -> None:
            self.qa = {0: entry}

        def getQuesIds(self) -> list[int]:  # noqa: N802
            return [0]

    asked = Table({
        "answers": [{"answer": one, "answer_id": i} for i, one in enumerate(people)],
        "question_type": "", "answer_type": "",
    })  # fmt: skip
    made = script(asked, Table({"answer": said}), n=6)
    with contextlib.redirect_stdout(io.StringIO()):
        made.evaluate()
    return made.accuracy["overall"] / 100


def answers(peers: Path, texts: int) -> tuple[float, list[list[str]], float]:
    script = vqa_script(peers)
    made = script()
    words = [*WORDS, *made.contractions, *made.contractions.values(), "An", "The", "Two"]
    rng = random.Random(0)
    others: list[list[str]] = []
    for _ in range(texts):
        parts = [rng.choice(words) + rng.choice(MARKS) for _ in range(rng.randint(0, 4))]
        text = rng.choice([" ", " ", ""]).join(parts)
        theirs = made.processDigitArticle(made.processPunctuation(text))
        if theirs != vqa.normal(text):
            others.append([text, theirs, vqa.normal(text)])
    apart = 0.0
    for _ in range(texts // 10):
        people = [drawn(rng, ["cat", "dog", "2", "red cat", "on"], 1, 1) for _ in range(10)]
        if len({*people}) > 1:
            said = drawn(rng, ["Cat", "a dog", "two", "red cat.", "on"], 1, 1)
            apart = max(apart, abs(theirs_of(script, said, people) - vqa.accuracy(said, people)))
    return 1 - len(others) / texts, others[:10], apart


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--peers", type=Path, required=True)
    parser.add_argument("--corpora", type=int, default=50)
    parser.add_argument("--texts", type=int, default=20_000)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    same, others, apart = answers(args.peers, args.texts)
    found = {
        "benchmark": "official_scorers",
        "captions": args.corpora * 40,
        "cider_apart": captions(args.peers, args.corpora),
        "texts": args.texts,
        "vqa_words_same": same,
        "vqa_words_other": others,
        "vqa_accuracy_apart": apart,
    }
    if args.out:
        args.out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(found) if args.json else json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
