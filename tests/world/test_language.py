"""Packing: a row of several questions trains what the model itself makes of each, one by one."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F
from transformers import AutoProcessor

from sallet.world.check import chat
from sallet.world.families import items
from sallet.world.language import (
    BLOCK,
    BLOCKED,
    COMPARING,
    DENSE_WEIGHT,
    PART,
    WEIGHING,
    Pupil,
    Teacher,
)
from sallet.world.lessons import lesson
from sallet.world.make import GRID, IMAGE_TOKENS
from sallet.world.makes import MAKES, make
from sallet.world.phrases import REFUSALS
from sallet.world.processor import processor
from sallet.world.questions import Item, with_safety
from sallet.world.render import render, seen
from sallet.world.scenes import SIDE
from sallet.world.tower import SAYS, DenseTower, crowds, dense_loss, normal, spoilt
from sallet.world.train import pupil_of

Lesson = tuple[Item, ...]


def unspoilt(items: Lesson) -> bool:
    """Whether training shows the pictures as they are, in the size that models see."""
    return all(
        s.side == SIDE and np.array_equal(spoilt(s.seed, seen(s)), render(s))
        for s in items[0].scenes
    )


def found(hit: Any) -> Lesson:
    return next(x for seed in range(3000) if hit(x := lesson(seed)) and unspoilt(x))


ROWS = {
    "three questions": lambda: found(lambda x: len(x) == 3 and x[0].system is None),
    "a system message": lambda: found(lambda x: len(x) == 3 and x[0].system is not None),
    "two turns": lambda: found(lambda x: any(i.turns for i in x)),
    "two pictures": lambda: found(lambda x: x[0].second is not None),
}


@pytest.fixture(scope="module", params=MAKES)
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """An untrained model that computes as its class does, and its processor as it is loaded."""
    chosen = make(request.param)
    folder = tmp_path_factory.mktemp(request.param)
    processor(chosen).save_pretrained(folder)
    loaded = AutoProcessor.from_pretrained(folder, local_files_only=True)
    torch.manual_seed(0)
    pupil = pupil_of(DenseTower(chosen, chosen.tower()), loaded).eval()
    pupil.model.set_attn_implementation("eager")
    return pupil, loaded, Teacher(chosen, loaded.tokenizer, seed=0, size=1)


def templated(loaded: Any, item: Item) -> tuple[Any, int]:
    """What the chat template makes of an item and its answer, and how much of it is asked."""
    asked = chat(item, [render(s) for s in item.scenes])
    said = {"role": "assistant", "content": [{"type": "text", "text": item.answer}]}
    settings = {"tokenize": True, "return_dict": True, "return_tensors": "pt"}
    before = loaded.apply_chat_template(asked, add_generation_prompt=True, **settings)
    whole = loaded.apply_chat_template([*asked, said], **settings)
    length = before["input_ids"].shape[1]
    assert torch.equal(whole["input_ids"][:, :length], before["input_ids"])
    return whole, length


@pytest.mark.parametrize("row", ROWS)
def test_a_packed_row_has_the_losses_of_the_models_own_forward(made: Any, row: str) -> None:
    pupil, loaded, teacher = made
    items = ROWS[row]()
    rows = teacher.pack([items])
    wanted: list[torch.Tensor] = []
    with torch.no_grad():
        hidden, _ = pupil.make.hidden(
            pupil.model,
            rows.tokens,
            normal(rows.pictures.pixels),
            torch.where(rows.sees, 0.0, BLOCKED)[:, None],
            rows.positions,
        )
        said = rows.targets >= 0
        ours = F.cross_entropy(
            pupil.model.lm_head(hidden[said]), rows.targets[said], reduction="none"
        )
        for item in items:
            whole, length = templated(loaded, item)
            logits = pupil.model(**whole).logits[0, length - 1 : -1]
            targets = whole["input_ids"][0, length:]
            wanted.append(F.cross_entropy(logits, targets, reduction="none"))
    theirs = torch.cat(wanted)
    assert ours.shape == theirs.shape
    assert theirs.std() > 0.1
    assert (ours - theirs).abs().max() < 1e-4


def test_a_row_of_one_is_what_the_chat_template_makes(made: Any) -> None:
    _, loaded, teacher = made
    for item in (
        items("picture", 1)[0],
        items("two-turn", 1)[0],
        items("multi-image", 1)[0],
        with_safety(items("picture", 2)[1], "be safe."),
    ):
        square = replace(item, scene=replace(item.scene, side=SIDE))
        if square.second is not None:
            square = replace(square, second=replace(square.second, side=SIDE))
        whole, length = templated(loaded, square)
        rows = teacher.pack([(square,)])
        said = whole["input_ids"][0].tolist()
        assert rows.tokens.shape[1] % BLOCK == 0
        assert rows.tokens[0].tolist()[: len(said)] == said
        answer = rows.targets[0][rows.targets[0] >= 0]
        assert answer.tolist() == whole["input_ids"][0, length:].tolist()


def test_a_told_picture_is_in_the_prompt_as_words(made: Any) -> None:
    _, loaded, _ = made
    teacher = Teacher(made[2].make, loaded.tokenizer, seed=0, size=1, told=True)
    for name in ("three questions", "two pictures"):
        lesson_ = ROWS[name]()
        rows = teacher.pack([lesson_])
        text = loaded.tokenizer.decode(rows.tokens[0])
        assert rows.pictures is None
        assert teacher.make.marks.image not in text
        for scene in lesson_[0].scenes:
            assert scene.colour in text
            assert all(f"{t.noun} {t.place}" in text for t in scene.things)
            assert all(" ".join(word.text) in text for word in scene.words)
        seen_by_pictures = made[2].pack([lesson_])
        assert torch.equal(
            rows.targets[rows.targets >= 0],
            seen_by_pictures.targets[seen_by_pictures.targets >= 0],
        )


def test_padding_a_batch_changes_no_row(made: Any) -> None:
    pupil, _, teacher = made
    lessons = [ROWS["two pictures"](), ROWS["three questions"]()]
    batch, alone = teacher.pack(lessons), [teacher.pack([one]) for one in lessons]

    def answers(rows: Any) -> torch.Tensor:
        mask = torch.where(rows.sees, 0.0, BLOCKED)[:, None]
        with torch.no_grad():
            hidden, _ = pupil.make.hidden(
                pupil.model, rows.tokens, normal(rows.pictures.pixels), mask, rows.positions
            )
        return hidden[rows.targets >= 0]

    apart = torch.cat([answers(rows) for rows in alone])
    assert (answers(batch) - apart).abs().max() < 1e-4


def test_a_question_is_blind_to_the_others_of_its_row(made: Any) -> None:
    _, _, teacher = made
    items = ROWS["three questions"]()
    rows = teacher.pack([items])
    starts = [0, *(i + 1 for i, t in enumerate(rows.tokens[0]) if t == ends(teacher))]
    second = rows.sees[0, starts[1] + 1]
    first_question = slice(starts[1] - 2, starts[1])
    assert not second[first_question].any()
    assert second[:40].all()


def ends(teacher: Teacher) -> int:
    return teacher.encode("</s>")[0]


def test_the_loss_is_that_of_answers_and_a_share_of_the_patches(made: Any) -> None:
    pupil, _, teacher = made
    assert isinstance(pupil, Pupil)
    rows = teacher.pack([ROWS["three questions"]()])
    with torch.no_grad():
        full = pupil.loss([rows])
        hidden, states = pupil.make.hidden(
            pupil.model,
            rows.tokens,
            normal(rows.pictures.pixels),
            torch.where(rows.sees, 0.0, BLOCKED)[:, None],
            rows.positions,
        )
        said = rows.targets >= 0
        answers = F.cross_entropy(pupil.model.lm_head(hidden[said]), rows.targets[said])
        patches = dense_loss(pupil.head(states), rows.pictures)
    assert float(full) == pytest.approx(float(answers + DENSE_WEIGHT * patches), rel=1e-4)
    assert float(patches) > 1


def test_a_step_in_parts_has_the_loss_of_the_whole(made: Any) -> None:
    pupil, loaded, _ = made
    size = PART + 2
    teacher = Teacher(made[2].make, loaded.tokenizer, seed=0, size=size, told=True)
    step = COMPARING + WEIGHING
    parts = teacher(step)
    lessons = [teacher.lesson((1 << 31) + step * size + i) for i in range(size)]
    lengths = [rows.tokens.shape[1] for rows in parts]
    assert [len(rows.tokens) for rows in parts] == [PART, 2]
    assert lengths == sorted(lengths)
    with torch.no_grad():
        apart = pupil.loss(parts)
        whole = pupil.loss([teacher.pack(lessons)])
        means = torch.stack([pupil.loss([rows]) for rows in parts]).mean()
    assert float(apart) == pytest.approx(float(whole), rel=1e-5)
    assert float(means) != pytest.approx(float(whole), rel=1e-5)


def test_words_begin_with_comparisons_then_weigh_what_makes_harm_licit(made: Any) -> None:
    _, loaded, _ = made
    teacher = Teacher(made[2].make, loaded.tokenizer, seed=0, size=4, told=True)

    def said(step: int) -> list[str]:
        rows = [targets for part in teacher(step) for targets in part.targets]
        return [loaded.tokenizer.decode(targets[targets >= 0]) for targets in rows]

    def compares(text: str) -> bool:
        return "yes." in text or "no." in text

    def decides(text: str) -> bool:
        return "step one" in text or any(refusal in text for refusal in REFUSALS)

    assert all(compares(text) for text in said(0))
    assert all(decides(text) and not compares(text) for text in said(COMPARING))
    assert not all(decides(text) for text in said(COMPARING + WEIGHING))
    assert not any(compares(text) for text in said(COMPARING + WEIGHING - 1))


def test_the_dense_loss_asks_what_a_patch_shows_where_it_is_and_what_is_written_there() -> None:
    pictures = crowds(0, seed=0, size=3)
    patches = torch.arange(IMAGE_TOKENS).expand(3, -1)
    wanted = [pictures.labels, patches // GRID, patches % GRID]
    wanted += pictures.spelling.flatten(2).unbind(-1)
    assert len(wanted) == len(SAYS)

    def said(shifted: int | None) -> Tensor:
        moved = [
            (x + (k == shifted)) % n for k, (x, n) in enumerate(zip(wanted, SAYS, strict=True))
        ]
        parts = zip(moved, SAYS, strict=True)
        return torch.cat([50.0 * F.one_hot(x.clamp(min=0), n) for x, n in parts], -1)

    assert float(dense_loss(said(None), pictures)) < 1e-3
    for part in range(len(SAYS)):
        assert float(dense_loss(said(part), pictures)) > 1
