"""Cold, cached and resumed: the same verdicts on the same hostile files."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from sallet.core.errors import StoreError
from sallet.core.protocols import Model
from sallet.harness.evaluate import evaluate
from sallet.harness.identity import identity
from sallet.harness.parts import Parts
from sallet.harness.plan import plan
from sallet.models.remote import RemoteModel
from sallet.runs.answers import Answers
from sallet.runs.parse import parse
from sallet.runs.recipe import Spec
from sallet.runs.record import Row
from sallet.runs.store import Store, opened
from tests.harness.fakes import BRIGHTER, LAMP, POISON, Lamp

PGD = {"name": "pgd", "goal": "untargeted", "eps": 8, "steps": 4}
RECIPE: dict[str, Any] = {
    "name": "cache",
    "models": [LAMP],
    "benchmarks": [BRIGHTER, POISON],
    "attacks": ["none", PGD],
    "defenses": ["none", {"name": "noise", "sigma": 0.1}],
    "attack_batch": 10,
    "resubmissions": 2,
}
COSTS = ("seconds", "attack_seconds", "cached")


def run(folder: Path, data: dict[str, Any], cache: Answers, **options: Any) -> Store:
    parts = Parts()
    made = plan(parse(data), parts)
    with opened(folder, made.recipe, resume=options.pop("resume", False)) as store:
        evaluate(made, store, parts, cache=cache, **options)
    return store


def verdicts(rows: list[Row]) -> list[dict[str, Any]]:
    return [{k: v for k, v in asdict(row).items() if k not in COSTS} for row in rows]


@pytest.fixture
def cache(tmp_path: Path) -> Answers:
    return Answers(tmp_path / "answers.sqlite")


def test_cold_cached_and_resumed_say_the_same(tmp_path: Path, cache: Answers):
    bare = run(tmp_path / "bare", RECIPE, Answers())
    cold = run(tmp_path / "cold", RECIPE, cache)
    assert cache.hits == 0
    assert not any(row.cached for row in cold.rows)
    warm = run(tmp_path / "warm", RECIPE, cache)
    assert all(row.cached for row in warm.rows)
    half = (cold.folder / "rows.jsonl").read_bytes().splitlines(keepends=True)[:41]
    (cold.folder / "rows.jsonl").write_bytes(b"".join(half))
    resumed = run(tmp_path / "cold", RECIPE, cache, resume=True)
    assert verdicts(bare.rows) == verdicts(cold.rows) == verdicts(warm.rows)
    assert verdicts(resumed.rows) == verdicts(bare.rows)
    assert [row.asks for row in warm.rows] == [row.asks for row in bare.rows]
    assert [row.seconds for row in warm.rows] == [row.seconds for row in cold.rows]


@pytest.mark.parametrize(
    "changed",
    [
        {"models": [{**LAMP, "revision": "lamp-2"}]},
        {"models": [{**LAMP, "blue": 0.2}]},
        {"defenses": [{"name": "noise", "sigma": 0.11}]},
        {"seed": 1},
    ],
    ids=["revision", "parameter", "defence", "seed"],
)
def test_what_decides_an_answer_is_in_its_key(
    tmp_path: Path, cache: Answers, changed: dict[str, Any]
):
    data = {**RECIPE, "attacks": ["none"], "defenses": [{"name": "noise", "sigma": 0.1}]}
    run(tmp_path / "first", data, cache)
    run(tmp_path / "again", data, cache)
    assert cache.hits > 0
    before = cache.hits
    run(tmp_path / "changed", {**data, **changed}, cache)
    assert cache.hits == before


def test_what_failed_is_asked_again(tmp_path: Path, cache: Answers):
    data = {**RECIPE, "benchmarks": [{**BRIGHTER, "fails_every": 2, "limit": 4}]}
    data |= {"attacks": ["none"], "defenses": ["none"]}
    run(tmp_path / "first", data, cache)
    run(tmp_path / "again", data, cache)
    assert cache.hits == 2


def test_a_model_that_does_not_say_its_weights_has_no_identity():
    spec = Spec("lamp")
    assert identity(Lamp(), spec, "lamp-1") is not None
    assert identity(Lamp(), spec, "unknown") is None
    remote: Model = RemoteModel("m", base_url="http://127.0.0.1:9/v1", api_key="sk-secret-key")
    assert identity(remote, spec, "unknown") is None
    taken = identity(remote, spec, "unknown", endpoints=True)
    other = RemoteModel("m", base_url="http://127.0.0.1:8/v1")
    assert taken is not None
    assert taken != identity(other, spec, "unknown", endpoints=True)


def test_other_weights_do_not_go_on_with_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    data = {**RECIPE, "attacks": ["none"], "benchmarks": [BRIGHTER]}
    store = run(tmp_path / "run", data, Answers())
    lines = (store.folder / "rows.jsonl").read_bytes().splitlines(keepends=True)
    (store.folder / "rows.jsonl").write_bytes(b"".join(lines[:5]))
    monkeypatch.setenv("LAMP_REVISION", "lamp-9")
    with pytest.raises(StoreError, match=r"lamp is now lamp-9.*made with lamp-1"):
        run(tmp_path / "run", data, Answers(), resume=True)
    assert len(Store.read(store.folder).rows) == 5


def test_other_weights_of_a_source_do_not_go_on_with_a_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    source = {**LAMP, "name": "other"}
    data = {**RECIPE, "models": [{**LAMP, "revision": "lamp-1"}], "benchmarks": [BRIGHTER]}
    data |= {"attacks": [PGD], "defenses": ["none"], "access": ["transfer"], "sources": [source]}
    store = run(tmp_path / "run", data, Answers())
    lines = (store.folder / "rows.jsonl").read_bytes().splitlines(keepends=True)
    (store.folder / "rows.jsonl").write_bytes(b"".join(lines[:10]))
    monkeypatch.setenv("LAMP_REVISION", "lamp-9")
    # The images are there already: nothing is asked of the source, so its weights do not matter.
    run(tmp_path / "run", data, Answers(), resume=True)
    (store.folder / "rows.jsonl").write_bytes(b"".join(lines[:10]))
    for path in (store.folder / "artifacts" / "hostile").iterdir():
        path.unlink()
    with pytest.raises(StoreError, match=r"other is now lamp-9.*made with lamp-1"):
        run(tmp_path / "run", data, Answers(), resume=True)
