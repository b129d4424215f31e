"""What the page, the table of threats, the dashboard and the manifests say is so."""

from __future__ import annotations

import importlib
import inspect
import json
import re
from dataclasses import fields
from pathlib import Path

import pytest
import yaml

from sallet.gateway import policy, sections
from sallet.gateway.gauges import Gauges
from sallet.gateway.trail import VERDICTS

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "gateway.md").read_text(encoding="utf-8")


def test_every_verdict_is_in_the_docs_in_the_same_words():
    told = dict(re.findall(r"^\| `(\w+)` \| (.*) \|$", PAGE, re.MULTILINE))
    assert {name: told.get(name) for name in VERDICTS} == VERDICTS


KINDS = (
    policy.Policy, policy.Upstream, policy.Rule, sections.Keys, sections.Sizing, sections.Images,
    sections.Fetching, sections.Batching, sections.Auditing, sections.Rates, sections.Console,
    sections.Litellm,
)  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_every_key_of_a_policy_is_in_the_docs(kind: type):
    for field in fields(kind):
        if (kind, field.name) != (policy.Policy, "source"):
            assert re.search(rf"`{field.name}[`.]", PAGE), f"docs/gateway.md: {field.name}"


def test_the_policies_that_the_docs_show_are_right():
    shown = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    assert shown
    for text in shown:
        policy.of(yaml.safe_load(text))


def test_the_figures_are_those_of_the_results(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    table = importlib.import_module("table_gateway")
    result = json.loads((ROOT / "results" / "bench-gateway.json").read_text())
    fuzz = json.loads((ROOT / "results" / "bench-fuzz.json").read_text())
    assert table.placed(PAGE, result, fuzz) == PAGE, (
        "run: python benchmarks/table_gateway.py --write"
    )


def test_every_test_that_the_threats_name_is_there():
    text = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
    for name in set(re.findall(r"`(test_\w+)`", text)):
        assert (ROOT / "tests" / "gateway" / f"{name}.py").is_file()
    assert text.count("\n| ") >= 20


def test_the_dashboard_asks_for_metrics_that_there_are():
    board = json.loads((ROOT / "deploy" / "grafana.json").read_text())
    known = {
        name
        for family in Gauges().registry.collect()
        for name in (
            family.name,
            *(f"{family.name}_{s}" for s in ("total", "bucket", "sum", "count")),
        )
    }
    asked = set(re.findall(r"sallet_[a-z_]+", json.dumps([p["targets"] for p in board["panels"]])))
    assert asked <= known
    assert len(asked) >= 10


def test_the_manifest_and_the_image_have_no_rights_they_do_not_need():
    text = (ROOT / "deploy" / "kubernetes.yaml").read_text()
    parts = {one["kind"]: one for one in yaml.safe_load_all(text)}
    policy.of(yaml.safe_load(parts["ConfigMap"]["data"]["policy.yaml"]))
    pod = parts["Deployment"]["spec"]["template"]["spec"]
    assert pod["securityContext"]["runAsNonRoot"]
    assert not pod["automountServiceAccountToken"]
    (container,) = pod["containers"]
    own = container["securityContext"]
    assert (own["allowPrivilegeEscalation"], own["readOnlyRootFilesystem"]) == (False, True)
    assert own["capabilities"] == {"drop": ["ALL"]}
    named = {one["name"] for one in pod["volumes"]}
    assert {one["name"] for one in container["volumeMounts"]} <= named
    image = (ROOT / "deploy" / "Dockerfile").read_text()
    assert "redis" in image  # which the policy of the manifest needs
    assert image.index("USER 10001") < image.index("ENTRYPOINT")


def test_the_recipe_for_ray_is_a_defence():
    from deploy import ray_purifiers
    from deploy.ray_purifiers import Remote
    from sallet.gateway.stacks import build

    layer = {"name": "remote", "target": "deploy.ray_purifiers:Remote", "url": "http://x"}
    assert build((layer,), "here").defense == Remote("http://x")
    (named,) = re.findall(r"serve run deploy\.ray_purifiers:(\w+)", ray_purifiers.__doc__ or "")
    builder = getattr(ray_purifiers, named)
    assert len(inspect.signature(builder).parameters) == 1  # Ray Serve gives it one mapping
