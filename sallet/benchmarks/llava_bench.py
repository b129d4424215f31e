"""LLaVA-Bench in the wild (Liu et al. 2023): 60 questions about 24 pictures of every sort.

A judge compares each answer with GPT-4's, which was given a description of the picture; both are
in the release. Without such a judge (`llava-bench@MODEL`) only refusals are counted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from sallet.benchmarks.folder import Folder
from sallet.benchmarks.reading import lines
from sallet.benchmarks.stored import Stored
from sallet.core.errors import InputError
from sallet.core.sample import Sample


@dataclass(frozen=True, kw_only=True)
class LLaVABench(Stored):
    """The reference of a sample is GPT-4's answer; a judge also sees what that was given."""

    name = "llava-bench"
    licence = "Apache-2.0"
    attack_class = "open questions"
    judge = "answered"
    paper_judge = "llava-bench (GPT-4)"
    hub = "liuhaotian/llava-bench-in-the-wild"
    patterns: ClassVar[tuple[str, ...]] = ("*.jsonl", "images/**")

    max_tokens: int = 1024

    def read(self, folder: Folder) -> list[Sample]:
        """Questions, with the answers and the descriptions that belong to them."""
        described = {
            one.text("image"): one.text("caption")
            for one in lines(folder.first("context.jsonl"), ("image", "caption"))
        }
        answers = {
            one.text("question_id"): one.text("text")
            for one in lines(folder.first("answers_gpt4.jsonl"), ("question_id", "text"))
        }
        made: list[Sample] = []
        columns = ("question_id", "image", "text", "category")
        for one in lines(folder.first("questions.jsonl"), columns):
            number, image = one.text("question_id"), one.text("image")
            if number not in answers or image not in described:
                raise InputError(
                    f"{one.path}, row {one.number}: there is no answer of GPT-4 to question "
                    f"{number}, or no description of {image}"
                )
            made.append(
                self.benign(
                    number,
                    one.text("text"),
                    [folder.image(image, "images", ".")],
                    reference=[answers[number]],
                    shown=[answers[number], described[image]],
                    category=one.text("category"),
                    prompt=image,
                )
            )
        return made
