"""A prefix is searched for and learned by what the defended model does with it, purified or not."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from sallet import catalog
from sallet.cli.main import run
from sallet.core.errors import ModelError, RecipeError, UnknownName
from sallet.core.goal import Goal
from sallet.core.guarded import guarded
from sallet.core.query import Answer, Query
from sallet.defenses.prefix import FILE, Prefix, write
from sallet.defenses.rewrite import Blur
from sallet.judges.rules import Rules
from sallet.train.cases import Case
from sallet.train.prefix import Settings, Training, tower
from sallet.train.prefix_search import Search
from sallet.train.reward import Reward
from tests.core.toys import picture

WORDS = (
    "<pad>",
    "</s>",
    "how",
    "do",
    "i",
    "use",
    "it",
    "?",
    ":",
    "be",
    "kind",
    "stop",
    "harm",
    "ok",
)


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@dataclass
class Heeds:
    """Refuses what it is told to stop, and only that."""

    name: str = "heeds"
    asked: list[Query] = field(default_factory=list)

    def answer(self, queries: Sequence[Query]) -> list[Answer]:
        self.asked += queries
        return [
            Answer("Sorry, I can't help." if "stop" in q.user_text else "Sure, here is how: it")
            for q in queries
        ]


def case(harmful: bool, number: int = 0) -> Case:
    query = Query.ask(picture(number), "how do i use it ?")
    goal = Goal.stop_refusing("Sure, here is how: it", "it") if harmful else None
    return Case(query, goal or Goal.stop_saying("Sure, here is how: it", "it"))


HARM = [case(True, i) for i in range(4)]


def tokenizer() -> PreTrainedTokenizerFast:
    made = Tokenizer(models.WordLevel({w: i for i, w in enumerate(WORDS)}, unk_token="ok"))
    made.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return PreTrainedTokenizerFast(tokenizer_object=made, pad_token="<pad>", eos_token="</s>")


def base() -> LlamaForCausalLM:
    torch.manual_seed(0)
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(WORDS), hidden_size=32, intermediate_size=64, num_hidden_layers=2,
            num_attention_heads=2, num_key_value_heads=2, max_position_embeddings=64,
            pad_token_id=0, bos_token_id=1, eos_token_id=1, initializer_range=0.2,
        )
    ).eval()  # fmt: skip


SMALL = Settings(warm=25, steps=25, batch=4, samples=4, tokens=3, rank=4, rate=1e-2, kl=0.0)


def test_a_benign_refusal_costs_more_than_a_wrong_answer():
    reward = Reward(Heeds(), Rules(), penalty=0.5)
    assert reward.of([case(True), case(True)], ["", "stop"]) == [0.0, 1.0]
    assert reward.of([case(False), case(False)], ["", "stop"]) == [1.0, -0.5]
    assert reward.mean(HARM, "stop") == 1.0


def test_what_is_rewarded_went_through_what_is_below():
    model = Heeds()
    Reward(model, Rules(), below=Blur(sigma=2.0)).of(HARM[:1], ["stop"])
    assert model.asked[0].images != HARM[0].query.images
    assert model.asked[0].user_text.startswith("stop how")


def test_the_search_finds_the_word_and_keeps_a_start_that_nothing_betters():
    reward = Reward(Heeds(), Rules())
    found, score = Search(rounds=6, tries=12).run(reward, HARM, ["be kind", "do not stop it"])
    assert "stop" in found
    assert score == 1.0
    fine = [case(False)]
    kept, score = Search(rounds=2, tries=4).run(reward, fine, ["be kind"])
    assert (kept, score) == ("be kind", 1.0)
    with pytest.raises(RecipeError, match="start from"):
        Search().run(reward, HARM, [])


def test_a_warm_start_teaches_the_text():
    training = Training(base(), tokenizer(), SMALL)
    losses = training.warm(["how do i use it ?"], "be kind")
    assert losses[-1] < losses[0] / 10
    assert write(training.model, training.tokenizer, "how do i use it ?", 3) == "be kind"


def test_policy_gradient_finds_what_is_rewarded():
    """Nobody told it the word that the defended model heeds."""
    settings = replace(SMALL, warm=4, steps=20, policy_rate=2e-2)
    training = Training(base(), tokenizer(), settings)
    training.warm(["how do i use it ?"], "be kind")
    rewards = training.improve(HARM, Reward(Heeds(), Rules()))
    assert sum(rewards[-5:]) / 5 > sum(rewards[:5]) / 5 + 0.3
    assert len(training.curve) == 20


def test_the_kl_holds_the_generator_to_its_base():
    ends: list[float] = []
    for kl in (0.0, 50.0):
        settings = replace(SMALL, warm=0, steps=6, policy_rate=2e-2, kl=kl)
        training = Training(base(), tokenizer(), settings)
        training.improve(HARM, Reward(Heeds(), Rules()))
        shown = torch.tensor([[2, 3, 4, 5, 6, 7, 8]])
        with torch.no_grad():
            now = training.model(input_ids=shown).logits[0, -1].log_softmax(-1)
            with training.model.disable_adapter():
                before = training.model(input_ids=shown).logits[0, -1].log_softmax(-1)
        ends.append(float((now.exp() * (now - before)).sum()))
    assert ends[1] < ends[0] / 2


def test_a_generator_is_a_folder_that_defends(tmp_path: Path):
    training = Training(base(), tokenizer(), SMALL)
    training.warm(["how do i use it ?"], "stop harm")
    folder = training.save(tmp_path / "generator", {"model": "heeds"})
    defense = Prefix(source=str(folder))
    assert defense.fixed is None
    model = Heeds()
    (answer,) = guarded(model, defense).answer([HARM[0].query])
    assert isinstance(answer, Answer)
    assert model.asked[0].user_text == "stop harm how do i use it ?"
    assert answer.refused_by is None
    assert defense.digest != Prefix().digest
    assert json.loads((folder / FILE).read_text())["trained"]["model"] == "heeds"


def test_a_models_own_tower_says_what_it_said_in_it():
    model = catalog.build("model", "world/llava-strong")
    whole, words = tower(model)
    shown = words("how do i use a gun ?", return_tensors="pt").input_ids
    inner = model.model
    with torch.no_grad():
        hidden = inner.model.language_model(input_ids=shown).last_hidden_state
        assert torch.allclose(whole(input_ids=shown).logits, inner.lm_head(hidden), atol=1e-4)


def test_the_command_writes_a_fixed_prefix(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    out = tmp_path / "own.json"
    words = ["train", "prefix", "--fixed", "--out", str(out), "--limit", "1", "--rounds", "1"]
    assert run([*words, "--tries", "2", "--start", "be safe", "--json"]) == 0
    found = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert found["reward"] <= 1
    assert Prefix(source=str(out)).fixed
    assert run(["train", "prefix", "--fixed", "--out", str(tmp_path / "folder")]) == 2


def test_prefixes_that_cannot_be_used_say_why(tmp_path: Path):
    with pytest.raises(RecipeError, match="there is no"):
        Prefix(source=str(tmp_path / "none.json"))
    with pytest.raises(UnknownName, match="world"):
        Prefix(source="wrold")
    (tmp_path / "empty.json").write_text('{"format": 1, "text": " "}')
    with pytest.raises(RecipeError, match="empty"):
        Prefix(source=str(tmp_path / "empty.json"))
    (tmp_path / "old.json").write_text('{"format": 0}')
    with pytest.raises(ModelError, match="format"):
        Prefix(source=str(tmp_path / "old.json"))
    with pytest.raises(RecipeError, match="there is no"):
        Prefix(source=str(tmp_path))
    with pytest.raises(RecipeError, match="baseline"):
        Settings(samples=1)
