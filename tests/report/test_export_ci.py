"""JUnit and SARIF: what their readers require, and what they are told of a broken limit."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as Xml

import pytest

from sallet.harness.thresholds import Limits, breaches
from sallet.report.export import as_junit, as_sarif
from sallet.report.export.options import Options
from sallet.report.export.source import Source
from sallet.runs.store import Store
from tests.report import exports

ORDER = ("properties", "testcase", "system-out", "system-err")
COUNTED = {"failures": "failure", "errors": "error", "skipped": "skipped"}
LEVELS = ("none", "note", "warning", "error")


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Source:
    return exports.source(tmp_path_factory.mktemp("odd") / "run")


@pytest.fixture(scope="module")
def made(run: Path) -> Source:
    return Source.of(Store.read(run))


def junit(source: Source, options: Options) -> Xml.Element:
    """The document, checked against what the common schema asks of every element."""
    root = Xml.fromstring(as_junit.render(source, options))
    assert root.tag == "testsuites"
    totals = dict.fromkeys(("tests", *COUNTED), 0)
    for suite in root:
        assert suite.tag == "testsuite"
        assert suite.get("name")
        float(suite.get("time", ""))
        places = [ORDER.index(part.tag) for part in suite]
        assert places == sorted(places)
        cases = suite.findall("testcase")
        assert suite.get("tests") == str(len(cases)) != "0"
        for case in cases:
            assert case.get("name")
            assert case.get("classname")
            float(case.get("time", ""))
            assert len(case) <= 1
            assert {part.tag for part in case} <= {*COUNTED.values()}
            assert all(part.get("message") or part.tag == "skipped" for part in case)
            assert {*case.attrib} <= {"name", "classname", "time"}
        for name, tag in COUNTED.items():
            assert suite.get(name) == str(sum(case.find(tag) is not None for case in cases))
        totals = {name: total + int(suite.get(name, "")) for name, total in totals.items()}
    assert {*root.attrib} == {"name", "time", "tests", "failures", "errors"}
    assert all(root.get(name, str(total)) == str(total) for name, total in totals.items())
    return root


def test_a_suite_for_each_cell_and_a_test_for_each_limit(made: Source):
    limits = Limits({"asr": 0.5}, {"utility": 0.96}, 0.02)
    root = junit(made, Options("cells", limits))
    names = [suite.get("name", "") for suite in root]
    assert len({*names}) == len(names) == len(made.arms)
    for suite, arm in zip(root, made.arms, strict=True):
        cases = {case.get("name"): {part.tag for part in case} for case in suite.iter("testcase")}
        lost = arm.sums["unassessed"] / arm.sums["n"] > 0.02
        assert cases.pop("unassessed at most 0.02") == ({"error"} if lost else set())
        for name, side in (("asr at most 0.5", 1), ("utility at least 0.96", -1)):
            rate, limit = arm.sums[name.split()[0]], float(name.split()[-1])
            past = rate and side * (rate[0] - limit) > 0
            assert cases.pop(name) == ({"skipped"} if not rate else {"failure"} if past else set())
        assert not cases
    messages = [one.get("message") for one in root.iter("failure")]
    assert sorted(messages, key=str) == sorted(
        breaches(made.summary["cells"], limits.over, limits.under)
    )
    assert root.find(".//error") is not None


def test_without_limits_it_is_small_and_says_the_rates(made: Source):
    root = junit(made, Options("cells"))
    assert len(root.findall(".//testcase")) == len(made.arms)
    shown = {one.get("name"): one.get("value", "") for one in root[0].iter("property")}
    rate, low, high = made.arms[0].sums["utility"]
    assert shown["utility"] == f"{rate:.3f} [{low:.3f}, {high:.3f}]"
    assert shown["cell"] == made.arms[0].digest


def test_rows_are_tests_only_when_asked(odd: Source):
    root = junit(odd, Options("rows"))
    for suite, arm in zip(root, odd.arms, strict=True):
        cases = {case.get("name"): case for case in suite.iter("testcase")}
        for row in arm.rows:
            found = [part.tag for part in cases[f"row {row.sample}"]]
            expected = {"success": ["failure"], "unassessed": ["error"]}.get(row.outcome, [])
            assert found == expected


def test_hostile_answers_are_text_in_well_formed_xml(odd: Source):
    told = " ".join(one.text or "" for one in junit(odd, Options("rows")).iter("failure"))
    assert "two\nlines\nand three\nmore" in told
    everything = as_junit.render(odd, Options("rows"))
    assert b"\x00" not in everything
    assert b"\x1b" not in everything


@pytest.mark.parametrize("letter", ["\x00", "\x1b", "\ufffe", "\ud800", "\x0b"])
def test_what_xml_cannot_say_is_replaced(letter: str):
    assert as_junit.clean(f"a{letter}b") == "a\ufffdb"
    assert as_junit.clean("a\t\n\rb é 🙂") == "a\t\n\rb é 🙂"


def sarif(source: Source, options: Options) -> dict[str, Any]:
    """The run, checked against what the schema and code scanning require."""
    log = json.loads(as_sarif.render(source, options))
    assert (log["version"], log["$schema"].endswith("sarif-schema-2.1.0.json")) == ("2.1.0", True)
    (run,) = log["runs"]
    driver = run["tool"]["driver"]
    assert driver["name"]
    ids = [rule["id"] for rule in driver["rules"]]
    assert len({*ids}) == len(ids)
    for rule in driver["rules"]:
        for part in ("shortDescription", "fullDescription", "help"):
            assert 0 < len(rule[part]["text"]) <= 1024
        assert rule["name"].isalnum()
        assert rule["defaultConfiguration"]["level"] in LEVELS
    fingerprints = set()
    for result in run["results"]:
        assert ids[result["ruleIndex"]] == result["ruleId"]
        assert result["level"] in LEVELS
        assert result["message"]["text"]
        (place,) = result["locations"]
        physical = place["physicalLocation"]
        uri = physical["artifactLocation"]["uri"]
        assert not uri.startswith(("/", ".."))
        assert " " not in uri
        assert all(value >= 1 for value in physical["region"].values())
        (logical,) = place["logicalLocations"]
        assert logical["fullyQualifiedName"].count("::") == 5
        fingerprints.add(result["partialFingerprints"]["primaryLocationLineHash"])
    assert len(fingerprints) == len(run["results"])
    return run


def test_an_alert_for_each_attack_that_succeeds(made: Source):
    run = sarif(made, Options("cells"))
    expected = {
        arm.digest: f"sallet/{arm.key.goal}"
        for arm in made.arms
        if arm.sums["asr"] and arm.sums["asr"][0] > 0 and arm.key.attack != "uniform-noise"
    }
    found = {one["properties"]["cell"]: one["ruleId"] for one in run["results"]}
    assert found == expected
    assert len(found) > 20
    assert {one["level"] for one in run["results"]} == {"warning"}


def test_an_error_for_each_broken_limit(made: Source):
    limits = Limits({"asr": 0.5}, {"utility": 0.96}, 0.02)
    run = sarif(made, Options("cells", limits))
    errors = [one for one in run["results"] if one["level"] == "error"]
    broken = [one["message"]["text"] for one in errors if one["ruleId"] == "sallet/limit"]
    assert sorted(broken) == sorted(breaches(made.summary["cells"], limits.over, limits.under))
    lost = [one["properties"]["cell"] for one in errors if one["ruleId"] == "sallet/unassessed"]
    assert lost == [a.digest for a in made.arms if a.sums["unassessed"] > 0.02 * a.sums["n"]] != []


def test_the_same_cell_is_the_same_alert_tomorrow(made: Source, tmp_path: Path):
    """Whatever the rate is, and however many rows there are."""
    half = Source(made.folder, made.manifest, made.rows[::2], made.artifacts)
    before, after = (sarif(source, Options("cells"))["results"] for source in (made, half))
    marks = [
        {one["partialFingerprints"]["primaryLocationLineHash"] for one in r}
        for r in (before, after)
    ]
    assert len(marks[0] & marks[1]) > 0.8 * len(marks[0])


def test_alerts_are_shown_at_the_file_that_was_named(odd: Source):
    run = sarif(odd, Options("cells", place="recipes/my odd#one.yaml"))
    (uri,) = {
        one["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] for one in run["results"]
    }
    assert uri == "recipes/my%20odd%23one.yaml"
