"""A policy that is wrong says where; one that is right does what it says, also while it runs."""

from __future__ import annotations

import hashlib
import json
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from sallet import catalog
from sallet.cli.main import run
from sallet.core.errors import SalletError, UsageError
from sallet.gateway import keys, policy, stacks
from sallet.gateway.gate import Gate
from sallet.gateway.reload import reload
from sallet.gateway.sections import Keys
from sallet.harness.identity import defended
from sallet.harness.parts import Parts, resolved
from sallet.runs.parse import parse
from tests.gateway.conftest import Guard
from tests.gateway.pictures import part, png
from tests.gateway.toys import Unbuildable, layer
from tests.gateway.upstream import Model

ROOT = Path(__file__).parents[2]
UP: dict[str, Any] = {"upstreams": {"main": {"url": "http://127.0.0.1:9/v1"}}}
Start = Callable[..., Guard]


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"stak": "x"}, "did you mean stack"),
        ({"upstreams": {}}, "needs at least one"),
        ({"upstreams": {"main": {"uri": "http://x"}}}, "did you mean url"),
        ({"upstreams": {"main": {}}}, "upstreams.main needs url"),
        ({"upstreams": {"main": {"url": "localhost:8000"}}}, "such as http://"),
        (
            {"upstreams": {"main": {"url": "http://h/v1", "timeout": 0}}},
            "timeout should be above 0",
        ),
        ({"upstreams": {"main": {"url": "http://h/v1", "timeout": "5"}}}, "should be a number"),
        ({"stacks": {"default": ["jpg"]}}, "did you mean jpeg"),
        ({"stacks": {"default": [{"name": "jpeg", "qualty": 3}]}}, "did you mean quality"),
        ({"stacks": {"default": [{"name": "jpeg", "quality": 0}]}}, "1 to 100"),
        ({"stacks": {"default": []}}, "is empty"),
        ({"stacks": {"default": [{"name": "x", "target": "no.such:thing"}]}}, "cannot find"),
        ({"stack": "carefull", "stacks": {"careful": ["none"]}}, "did you mean careful"),
        ({"models": {"*": {"stack": "nowhere"}}}, "unknown stack 'nowhere'"),
        ({"models": {"*": {"upstream": "mian"}}}, "did you mean main"),
        ({"models": {"*": {"requests_per_minute": 5}}}, "models.* takes stack and upstream"),
        ({"mode": "enforced"}, "did you mean enforce"),
        ({"on_error": "ignore"}, "known: pass, refuse"),
        ({"rollout": 120}, "0 to 100"),
        ({"images": {"refuse": ["alpha-hide"]}}, "did you mean alpha-hides"),
        ({"images": {"fetch": {"hosts": ["http://x"]}}}, "give names"),
        ({"images": {"fetch": {"networks": ["10.0.0.1/8"]}}}, "10.1.0.0/16"),
        ({"limits": {"images": -1}}, "above 0"),
        ({"rates": {"requests_per_minute": 0}}, "requests_per_minute should be above 0"),
        ({"clients": {"anna": {"requests_per_minute": -1}}}, "clients.anna: requests_per_minute"),
        ({"rates": {"requests_per_minute": 60, "burst": 0}}, "burst should be above 0"),
        ({"limits": {"images": True}}, "a whole number"),
        ({"keys": {"env": "SALLET_NOT_SET"}}, "which is not set"),
        ({"source": "x"}, "unknown key"),
        ([], "should be a mapping"),
    ],
    ids=str,
)
def test_what_is_wrong_is_said_by_its_place(more: Any, said: str, tmp_path: Path):
    given = {**UP, **more} if isinstance(more, dict) else more
    with pytest.raises(SalletError, match=re.escape(said)):
        built(given)


def built(given: Any) -> None:
    read = policy.of(given)
    stacks.all_of(read.stacks)
    keys.load(read.keys)


def test_a_file_that_is_no_yaml(tmp_path: Path):
    (tmp_path / "p.yaml").write_text("a: [")
    with pytest.raises(UsageError, match="is not YAML"):
        policy.read(tmp_path / "p.yaml")
    with pytest.raises(UsageError, match="cannot read"):
        policy.read(tmp_path / "none.yaml")


def test_the_flag_is_in_place_of_the_first_upstreams_url():
    read = policy.of({"upstreams": {"a": {"url": "http://a/v1", "timeout": 3}}}, "http://b/v1")
    assert (read.upstreams["a"].url, read.upstreams["a"].timeout) == ("http://b/v1", 3)
    assert policy.of({}, "http://b/v1").upstreams["main"].url == "http://b/v1"
    with pytest.raises(UsageError, match=r"upstreams\.a should be a mapping"):
        policy.of({"upstreams": {"a": "http://a/v1"}}, "http://b/v1")


def test_rules_choose_by_model_and_by_client():
    read = policy.of(
        {
            "upstreams": {
                "a": {"url": "http://a/v1", "models": ["a-*"]},
                "b": {"url": "http://b/v1"},
            },
            "stacks": {"default": ["none"], "careful": ["jpeg"], "vip": ["resize"]},
            "models": {"*-risky": {"stack": "careful"}},
            "clients": {"anna": {"stack": "vip"}, "bert": {"models": ["b-*"]}},
        }
    )

    def of(model: str, client: str | None = None) -> tuple[str, str] | None:
        route = read.route(model, client)
        return None if route is None else (route.name, route.stack)

    assert of("a-1") == ("a", "default")
    assert of("b-risky") == ("b", "careful")
    assert of("b-risky", "anna") == ("b", "vip")
    assert of("a-1", "bert") is None
    assert of("b-1", "bert") == ("b", "default")


LAYERS = [[name] for name in catalog.DEFENSES] + [
    ["safety-prompt", {"name": "noise", "sigma": 0.2}],
    ["safety-prompt", "codefend"],
]


@pytest.mark.parametrize("layers", LAYERS, ids=str)
def test_a_stack_has_the_digest_that_a_run_gives_it(layers: list[Any]):
    recipe = parse(
        {
            "models": ["world/llava-strong"],
            "benchmarks": ["world/where"],
            "defenses": [{"stack": layers} if len(layers) > 1 else layers[0]],
        }
    )
    (spec,) = resolved(recipe).defenses
    made = stacks.build(tuple(layers), "here")
    assert made.spec == spec
    assert made.digest == defended(spec, Parts().defense(spec))


def test_check_prints_what_the_committed_runs_say(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    given = {**UP, "stacks": {"default": ["jpeg"], "odd": [{"name": "jpeg", "quality": 31}]}}
    (tmp_path / "p.yaml").write_text(yaml.safe_dump(given))
    words = ["policy", "check", str(tmp_path / "p.yaml"), "--runs", str(ROOT / "results")]
    assert run([*words, "--json"]) == 0
    shown = json.loads(capsys.readouterr().out.splitlines()[-1])["stacks"]
    assert (shown["odd"]["measured"], shown["odd"]["figures"]) == (False, [])
    summary = json.loads((ROOT / "results" / "first-defences" / "summary.json").read_text())
    cells = {
        cell["access"]: cell["asr"]
        for cell in summary["cells"]
        if (cell["defense"], cell["attack"], cell["goal"]) == ("jpeg", "pgd", "targeted")
    }
    (figure,) = [
        one
        for one in shown["default"]["figures"]
        if (one["run"], one["attack"], one["goal"]) == ("first-defences", "pgd", "targeted")
    ]
    assert figure["asr"] == cells
    assert set(cells) == {"oblivious", "adaptive"}
    assert run(words) == 0
    assert "never measured" in capsys.readouterr().out


def test_same_names_with_other_weights_were_never_measured(tmp_path: Path):
    from sallet.gateway.worth import figures

    made = stacks.build(("jpeg",), "here")
    assert figures(made, [ROOT / "results"])
    other = stacks.Built(made.spec, made.defense, "0123456789abcdef")
    assert figures(other, [ROOT / "results"]) == []


def test_keys_are_asked_for_and_known(start: Start, tmp_path: Path):
    file = tmp_path / "keys"
    assert run(["policy", "key", "anna", "--file", str(file)]) == 0
    key, line = keys.new("bert")
    with file.open("a") as more:
        more.write(f"{line}\n")
    assert file.stat().st_mode & 0o077 == 0
    assert key not in file.read_text()
    guard = start(keys={"file": str(file)})
    assert guard.ask("hi").status_code == 401
    for header in ("Bearer", "Bearer wrong", "Basic x", f"Bearer {key}x", f"bearer{key}"):
        messages = [{"role": "user", "content": "hi"}]
        body = {"model": "toy", "messages": messages}
        assert guard.post(body, headers={"authorization": header}).status_code == 401
    fine = guard.post(body, headers={"authorization": f"Bearer {key}"})
    assert fine.status_code == 200
    assert guard.records()[-1]["client"] == "bert"
    assert key not in guard.log.read_text()
    assert guard.http.get("/v1/models").status_code == 401
    assert guard.http.get("/v1/models", headers={"x-api-key": key}).status_code == 200


def test_the_key_of_a_client_does_not_reach_the_model_server(
    start: Start, model: Model, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("GW_KEYS", "anna=a-long-enough-secret")
    monkeypatch.setenv("UP_KEY", "the-upstreams-own-key")
    guard = start(
        keys={"env": "GW_KEYS"}, upstreams={"main": {"url": model.url, "key_env": "UP_KEY"}}
    )
    headers = {"authorization": "Bearer a-long-enough-secret", "x-forwarded-for": "1.2.3.4"}
    body = {"model": "toy", "messages": [{"role": "user", "content": "hi"}]}
    assert guard.post(body, headers=headers).status_code == 200
    (seen,) = model.headers
    assert seen["authorization"] == "Bearer the-upstreams-own-key"
    assert "x-forwarded-for" not in seen


def test_a_key_file_that_anybody_can_read_is_refused(tmp_path: Path):
    file = tmp_path / "keys"
    file.write_text(f"anna:{hashlib.sha256(b'x').hexdigest()}\n")
    file.chmod(0o644)
    with pytest.raises(UsageError, match="chmod 600"):
        keys.load(Keys(file=str(file)))
    file.chmod(0o600)
    assert len(keys.load(Keys(file=str(file))).entries) == 1
    file.write_text("anna:the-key-itself\n")
    with pytest.raises(UsageError, match="line 1 should be id:sha256"):
        keys.load(Keys(file=str(file)))


def test_rates_are_each_clients_own(start: Start, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("GW_KEYS", "anna=a-long-enough-secret,bert=another-long-secret")
    guard = start(
        keys={"env": "GW_KEYS"},
        rates={"requests_per_minute": 6, "burst": 2},
        clients={"bert": {"requests_per_minute": 6000, "burst": 100}},
    )
    body = {"model": "toy", "messages": [{"role": "user", "content": "hi"}]}

    def ask(key: str) -> httpx.Response:
        return guard.post(body, headers={"authorization": f"Bearer {key}"})

    replies = [ask("a-long-enough-secret") for _ in range(3)]
    assert [reply.status_code for reply in replies] == [200, 200, 429]
    assert replies[-1].json()["error"]["code"] == "too-often"
    assert 8 <= int(replies[-1].headers["retry-after"]) <= 10
    assert {ask("another-long-secret").status_code for _ in range(5)} == {200}


async def _reloaded(gate: Gate, given: Any) -> bool:
    return await reload(gate, lambda: policy.of(given))


def test_a_new_policy_holds_and_a_wrong_one_does_not(start: Start, model: Model):
    import asyncio

    guard = start()
    up = {"upstreams": {"main": {"url": model.url}}}
    before = guard.gate.rules
    for wrong in ("jpg", layer(Unbuildable)):
        assert not asyncio.run(_reloaded(guard.gate, {**up, "stacks": {"default": [wrong]}}))
        assert guard.gate.rules is before
    assert asyncio.run(_reloaded(guard.gate, {**up, "stacks": {"default": ["safety-prompt"]}}))
    reply = guard.ask("hi", part(png()))
    assert reply.headers["x-sallet-verdict"] == "changed"
    assert model.bodies[-1]["messages"][0]["role"] == "system"
    assert guard.records()[-1]["policy"] != before.policy.source


def serve(folder: Path, *words: str, **env: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "sallet", "serve", *words],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", **env},
        stderr=subprocess.PIPE,
        text=True,
    )


def _line(process: subprocess.Popen[str], holding: str) -> str:
    assert process.stderr is not None
    for line in process.stderr:
        if holding in line:
            return line
    pytest.fail(f"it ended without saying {holding!r}")


def test_a_served_policy_is_read_again_when_its_file_changes(model: Model, tmp_path: Path):
    file = tmp_path / "policy.yaml"
    file.write_text(yaml.safe_dump({"stacks": {"default": ["none"]}, "audit": {"file": "a.jsonl"}}))
    words = ("--policy", "policy.yaml", "--upstream", model.url, "--port", "0")
    process = serve(tmp_path, *words)
    try:
        url = _line(process, "ready on").split()[3].rstrip(",")
        with httpx.Client(base_url=url, trust_env=False, timeout=20) as http:
            body = {"model": "toy", "messages": [{"role": "user", "content": "hi"}]}
            assert http.post("/chat/completions", json=body).headers["x-sallet-verdict"] == "passed"
            file.write_text("stacks: {default: [jpg]}\n")
            assert "did you mean jpeg" in _line(process, "not taken")
            file.write_text("stacks: {default: [safety-prompt]}\naudit: {file: a.jsonl}\n")
            _line(process, "holds")
            assert (
                http.post("/chat/completions", json=body).headers["x-sallet-verdict"] == "changed"
            )
    finally:
        process.terminate()
        process.wait(20)
        assert process.stderr is not None
        process.stderr.close()
    assert process.returncode in (0, -15)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "say what to guard"),
        (["--upstream", "http://127.0.0.1:9/v1", "--host", "0.0.0.0"], "without keys"),
        (["--upstream", "nonsense"], "such as http://"),
        (["--policy", "missing.yaml"], "cannot read the policy"),
    ],
)
def test_what_cannot_be_served_is_said_at_the_start(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str]
):
    assert run(["serve", *words]) == 2
    assert said in capsys.readouterr().err


def test_a_port_in_use(model: Model, capsys: pytest.CaptureFixture[str]):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert run(["serve", "--upstream", model.url, "--port", port, "--no-probe"]) == 2
    assert f":{port}: Address already in use; choose another --port" in capsys.readouterr().err


def test_a_model_server_without_eyes(model: Model):
    import asyncio

    from sallet.gateway.probe import look

    assert asyncio.run(look(policy.of({}, model.url))) == []
    assert len(model.bodies) == 1
    blind = policy.of({"upstreams": {"main": {"url": model.url, "models": ["toy"]}}})
    model.blind = True
    with pytest.raises(UsageError, match="takes words but no pictures"):
        asyncio.run(look(blind))
    gone = policy.of({"upstreams": {"main": {"url": "http://127.0.0.1:9/v1"}}})
    (line,) = asyncio.run(look(gone))
    assert "does not list" in line
    assert "most end in /v1" not in line
    short = policy.of({"upstreams": {"main": {"url": "http://127.0.0.1:9"}}})
    assert "most end in /v1" in asyncio.run(look(short))[0]


def test_a_stack_whose_weights_are_missing(
    model: Model, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    target = "sallet.defenses.purify:CoDefend"
    layer = {"name": "codefend", "target": target, "folder": str(tmp_path / "nowhere")}
    given = {"upstreams": {"main": {"url": model.url}}, "stacks": {"default": [layer]}}
    (tmp_path / "p.yaml").write_text(yaml.safe_dump(given))
    words = ["serve", "--policy", str(tmp_path / "p.yaml"), "--port", "0", "--no-probe"]
    assert run(words) in (1, 2)
    assert "nowhere" in capsys.readouterr().err


def test_words_only_for_a_model_that_has_no_eyes(start: Start, model: Model):
    guard = start(upstreams={"main": {"url": model.url, "vision": False}})
    assert guard.ask("hi").status_code == 200
    assert guard.ask("hi", part(png())).json()["error"]["code"] == "no-vision"


def test_readiness_is_apart_from_health(start: Start):
    guard = start()
    assert guard.http.get("/readyz").status_code == 200
    guard.gate.ready = False
    assert guard.http.get("/readyz").status_code == 503
    assert guard.http.get("/healthz").status_code == 200
    assert guard.ask("hi").status_code == 503
    guard.gate.ready = True
    time.sleep(0)
    assert guard.ask("hi").status_code == 200
