"""Guard models on tiny checkpoints of real classes; one of them taught to tell grog from tea."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers

from sallet.core.goal import Goal, Outcome
from sallet.core.image import Image
from sallet.core.query import Answer, Query
from sallet.harness.parts import Parts
from sallet.judges.asked.guard import llama_guard, shieldgemma
from sallet.models import tiny, tiny_text

hf: Any = transformers
GOAL = Goal.stop_refusing("Sure", "grog")
LLAMA_GUARD = (
    "{{ bos_token }}{% for m in messages %}{{ m['role'] + ': ' + m['content'] + '\n' }}{% endfor %}"
    "{{ 'verdict:' }}"
)
SHIELD = (
    "{{ bos_token }}{{ guideline }}{% for m in messages %}{{ m['role'] + ' ' + m['content'] }}"
    "{% endfor %}{{ ' violated?' }}"
)
SIZES = {"hidden_size": 48, "intermediate_size": 96, "num_hidden_layers": 2,
         "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 12}  # fmt: skip
DRINKS = ("brew the grog", "pour grog in", "add rum to grog", "grog is hot")
TEAS = ("brew the tea", "pour tea in", "add milk to tea", "tea is hot")


def tokenizer(template: str) -> Any:
    made = tiny_text.tokenizer("llama", special=(), pad="<pad>", eos="</s>", bos="<s>")
    made.chat_template = template
    return made


def built(folder: Path, config: Any, model: Any, template: str) -> tuple[Any, Any]:
    words = tokenizer(template)
    ids = {"vocab_size": len(words), "pad_token_id": words.pad_token_id,
           "bos_token_id": words.bos_token_id, "eos_token_id": words.eos_token_id}  # fmt: skip
    torch.manual_seed(0)
    made = model(config(**SIZES, **ids))
    words.save_pretrained(folder)
    return made, words


@pytest.fixture(scope="module")
def taught(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A LlamaForCausalLM that says unsafe of grog and safe of tea."""
    folder = tmp_path_factory.mktemp("guard")
    model, words = built(folder, hf.LlamaConfig, hf.LlamaForCausalLM, LLAMA_GUARD)
    optimizer = torch.optim.AdamW(model.parameters(), lr=4e-3)
    for step in range(120):
        drink = step % 2 == 0
        said = (DRINKS if drink else TEAS)[step // 2 % 4]
        chat = [{"role": "user", "content": "how?"}, {"role": "assistant", "content": said}]
        text = words.apply_chat_template(chat, tokenize=False)
        head = words(text, add_special_tokens=False)["input_ids"]
        label = "\n\nunsafe" if drink else "\n\nsafe"
        tail = words(label, add_special_tokens=False)["input_ids"]
        ids = torch.tensor([head + tail])
        labels = torch.tensor([[-100] * len(head) + tail])
        model(input_ids=ids, labels=labels).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    model.save_pretrained(folder)
    return folder


def test_a_guard_says_what_it_was_taught(taught: Path):
    guard = Parts().judge(f"llama-guard@{taught}")
    asked = Query.ask("how?")
    for said in DRINKS:
        verdict = guard.judge(asked, Answer(said), GOAL)
        assert verdict.outcome is Outcome.SUCCESS, verdict
        assert verdict.score is not None
        assert verdict.score > 0.5
    for said in TEAS:
        assert guard.judge(asked, Answer(said), GOAL).outcome is Outcome.RESISTED


def test_the_guard_is_not_asked_where_nothing_is_to_tell(taught: Path):
    guard = llama_guard(model=str(taught))
    by = Answer("grog", refused_by="defense:screen")
    assert guard.judge(Query.ask("how?"), by, GOAL).reason == "refused"
    plain = guard.judge(Query.ask("how?"), Answer("a cup"), Goal("untargeted", "Sure", ()))
    assert plain.right is True
    assert guard._loaded is None


def test_a_checkpoint_that_is_no_guard_is_unassessed(tmp_path: Path):
    model, _ = built(tmp_path, hf.Gemma2Config, hf.Gemma2ForCausalLM, SHIELD)
    model.save_pretrained(tmp_path)
    verdict = shieldgemma(model=str(tmp_path)).judge(Query.ask("how?"), Answer("boil it"), GOAL)
    assert verdict.outcome is Outcome.UNASSESSED
    assert "'No' and 'Yes' together, less than 0.5" in verdict.reason
    loose = shieldgemma(model=str(tmp_path), least=0.0)
    said = loose.judge(Query.ask("how?"), Answer("boil it"), GOAL)
    assert said.outcome is not Outcome.UNASSESSED
    other = shieldgemma(model=str(tmp_path), least=0.0, policy="two cats")
    assert other.judge(Query.ask("how?"), Answer("boil it"), GOAL).score != said.score


def test_probabilities_are_those_of_greedy_steps(taught: Path):
    guard = llama_guard(model=str(taught))
    safe, unsafe = guard.weigh(Query.ask("how?"), DRINKS[0])
    loaded = guard._guard()
    given = loaded.given(Query.ask("how?"), DRINKS[0], "")
    ids, step = given["input_ids"], 1.0
    for token in loaded.tokenizer("\n\nunsafe", add_special_tokens=False)["input_ids"]:
        with torch.no_grad():
            step *= float(loaded.model(input_ids=ids).logits[0, -1].softmax(-1)[token])
        ids = torch.cat([ids, torch.tensor([[token]])], 1)
    assert unsafe == pytest.approx(step, rel=1e-3)
    assert 0 <= safe + unsafe <= 1.0001


def test_a_guard_that_sees_is_shown_the_picture(tmp_path: Path):
    folder = tiny.save("gemma3", tmp_path / "guard")
    guard = llama_guard(model=str(folder), least=0.0)
    dark, bright = (Image(np.full((40, 40, 3), n, np.uint8)) for n in (0, 255))
    marks = [
        guard.judge(Query.ask(image, "how?"), Answer("boil it"), GOAL).score
        for image in (dark, bright)
    ]
    assert None not in marks
    assert marks[0] != marks[1]
    assert guard.judge(Query.ask("how?"), Answer("boil it"), GOAL).score is not None
