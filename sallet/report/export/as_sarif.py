"""SARIF 2.1.0, which code scanning shows as alerts: one for each attack that succeeds on a cell.

Sallet sets no limit of its own, so an attack that succeeds at all is a warning. Where the user's
limits are broken there is an error beside it, and one where too much could not be assessed.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal
from urllib.parse import quote

import sallet
from sallet.harness.thresholds import Limits
from sallet.report import words
from sallet.report.export.checks import checks
from sallet.report.export.options import Options
from sallet.report.export.source import Arm, Source
from sallet.report.figures import CONTROL
from sallet.runs.recipe import digest

SCHEMA = (
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
)
Level = Literal["warning", "error"]


@dataclass(frozen=True)
class Rule:
    """What one kind of alert means, and what to do."""

    name: str
    short: str
    full: str
    help: str
    level: Level


_ATTACKED = (
    "Open the run's page (`sallet report DIR`) for the pictures and what was said of them. Put a "
    "defence before the model (`sallet list defenses`) and measure it against an attacker who "
    "knows it (`access: adaptive`): what only surprises an attacker protects nobody."
)
RULES: Mapping[str, Rule] = MappingProxyType(
    {
        "sallet/untargeted": Rule(
            "AnswersLostUnderAttack",
            "An attack makes right answers wrong",
            "Of the questions that this model, as it is guarded, answers right when nobody "
            "attacks, some are answered wrong when the image is attacked.",
            _ATTACKED,
            "warning",
        ),
        "sallet/targeted": Rule(
            "AttackerAnswerSaid",
            "An attack makes the model say the attacker's answer",
            "With an attacked image the model, as it is guarded, says what the attacker chose.",
            _ATTACKED,
            "warning",
        ),
        "sallet/jailbreak": Rule(
            "HarmfulRequestCompliedWith",
            "The model complies with harmful requests",
            "The model, as it is guarded, complies with harmful requests and names the harmful "
            "thing.",
            _ATTACKED,
            "warning",
        ),
        "sallet/limit": Rule(
            "LimitBroken",
            "A rate is past the limit that was set for it",
            "A cell's rate is past a limit of --fail-over or --fail-under. The rate itself is "
            "compared with the limit, not an end of its interval.",
            "Find the change that moved the rate with `sallet compare`, which says whether the "
            "difference is real; or set the limit that you mean.",
            "error",
        ),
        "sallet/unassessed": Rule(
            "TooMuchUnassessed",
            "Too many rows could not be assessed",
            "More of a cell's rows than --max-unassessed allows have no verdict. They are in no "
            "rate, so the cell's figures cannot be trusted.",
            "Make them again with `sallet retry DIR`; their reasons are in rows.jsonl.",
            "error",
        ),
    }
)


def render(source: Source, options: Options) -> bytes:
    """The whole file."""
    uri = quote(options.place or _summary(source.folder))
    results = [
        result for arm in source.arms for result in _results(source, arm, options.limits, uri)
    ]
    run = {
        "tool": {
            "driver": {
                "name": "Sallet",
                "version": sallet.__version__,
                "rules": [_rule(name, rule) for name, rule in RULES.items()],
            }
        },
        "automationDetails": {"id": f"sallet/{source.recipe}/{source.manifest.digest}"},
        "results": results,
        "properties": {"madeBy": source.made_by, "machine": source.manifest.machine},
    }
    log = {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}
    return json.dumps(log, indent=1, ensure_ascii=False).encode() + b"\n"


def _rule(name: str, rule: Rule) -> dict[str, Any]:
    return {
        "id": name,
        "name": rule.name,
        "shortDescription": {"text": rule.short},
        "fullDescription": {"text": rule.full},
        "help": {"text": rule.help, "markdown": rule.help},
        "defaultConfiguration": {"level": rule.level},
        "properties": {"tags": ["security", "robustness"]},
    }


def _results(source: Source, arm: Arm, limits: Limits, uri: str) -> Iterator[dict[str, Any]]:
    asr, key = arm.sums["asr"], arm.key
    if asr and asr[0] > 0 and key.attack != CONTROL:
        said = f"{words.GOALS.get(key.goal or '', 'attack succeeded')}: {words.full(tuple(asr))}"
        line = f"{said} (95 %, {arm.sums['interval']}; n {arm.sums['n']}): {arm.name}"
        yield _result(f"sallet/{key.goal}", line, source, arm, uri)
    for check in checks(arm, limits):
        if check.state == "broken":
            yield _result("sallet/limit", check.line, source, arm, uri, check.name)
        elif check.state == "unassessed":
            yield _result("sallet/unassessed", check.line, source, arm, uri, check.name)


def _result(
    rule: str, line: str, source: Source, arm: Arm, uri: str, check: str = ""
) -> dict[str, Any]:
    key, sums = arm.key, arm.sums
    place = (key.model, key.benchmark, key.goal or "none", key.attack, key.access, key.defense)
    figures = {name: sums[name] for name in ("asr", "utility", "over_refusal", "n", "unassessed")}
    return {
        "ruleId": rule,
        "ruleIndex": list(RULES).index(rule),
        "level": RULES[rule].level,
        "message": {"text": line},
        "locations": [
            {
                "physicalLocation": {
                    "artifactLocation": {"uri": uri, "uriBaseId": "%SRCROOT%"},
                    "region": {"startLine": 1, "startColumn": 1, "endLine": 1, "endColumn": 2},
                },
                "logicalLocations": [
                    {
                        "name": arm.name,
                        "fullyQualifiedName": "::".join(place),
                        "kind": "cell",
                    }
                ],
            }
        ],
        # The same cell under the same rule is the same alert, whatever the rate of the day.
        "partialFingerprints": {"primaryLocationLineHash": digest([rule, check, vars(key)])},
        "properties": {"cell": arm.digest, **figures},
    }


def _summary(folder: Path) -> str:
    """The run's summary as the repository knows it, if the command is run at its root."""
    path = Path(os.path.relpath(folder / "summary.json"))
    return (Path(folder.resolve().name) / path.name if ".." in path.parts else path).as_posix()
