"""The figures of docs/gateway.md, from results/bench-gateway.json and results/bench-fuzz.json.

python benchmarks/table_gateway.py --write
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "gateway.md"
MARK = "<!-- bench-gateway -->"
FUZZ = "<!-- bench-fuzz -->"
NAMES = {
    "passthrough": "nobody looks (`as_sent`)",
    "passthrough-quick": "the same, a model server of 10 ms",
    "canonical": "canonical stage and a safety prompt",
    "canonical-336": "the same, made smaller to 336",
    "purifier": "canonical at 192, a one-step purifier",
}


def table(result: dict[str, Any]) -> str:
    """Medians of the repeats; ratios are ours over LiteLLM's, all of them."""
    heads = (
        "", "clients", "added p50", "added p99", "requests a second", "processor a request",
        "LiteLLM's p50 / p99 / processor", "p50 ratio", "p99 ratio", "throughput ratio",
        "at most",
    )  # fmt: skip
    lines = [f"| {' | '.join(heads)} |", "|" + "---|" * len(heads)]
    for name, arm in result["arms"].items():
        for key in ("c1", "c8", "c32"):
            at = arm[key]
            ours, theirs = at["sallet"], at.get("litellm")
            lines.append(
                f"| {NAMES[name]} | {key[1:]} | {ms(ours['added_p50_ms'])} "
                f"| {ms(ours['added_p99_ms'])} "
                f"| {middle(ours['per_second']):.0f} | {ms(ours['cpu_ms'])} | "
                + (
                    f"{ms(theirs['added_p50_ms'])} / {ms(theirs['added_p99_ms'])} / "
                    f"{ms(theirs['cpu_ms'])} | "
                    f"{every(at['p50_ratio'])} | {every(at['p99_ratio'])} | "
                    f"{every(at['throughput_ratio'])} | {every(at['throughput_ratio_most'])} |"
                    if theirs
                    else "| | | | |"
                )
            )
    first = ", ".join(
        f"{NAMES[name]} {ms(arm['first_token_added_ms']['sallet'])}"
        for name, arm in result["arms"].items()
    )
    starts = [arm["processes"]["sallet"] for arm in result["arms"].values()]
    one = starts[min(1, len(starts) - 1)]
    said = (
        f"Until the first token of a stream is added: {first}. From start to `readyz` "
        f"{one['ready_seconds']:.1f} s; memory at rest {one['rest_mib']:.0f} MiB, after the load "
        f"{one['load_mib']:.0f} MiB, decoders with it."
    )
    if "purifier" in result["arms"]:
        arm = result["arms"]["purifier"]
        together = [f"{middle(arm[key]['sallet']['batch']):.1f}" for key in ("c1", "c8", "c32")]
        said += f" The purifier got {', '.join(together)} pictures a call at 1, 8 and 32 clients."
    return "\n".join([*lines, "", said])


def middle(values: list[float]) -> float:
    return sorted(values)[len(values) // 2]


def ms(values: list[float]) -> str:
    return f"{middle(values):.1f} ms"


def every(values: list[float]) -> str:
    return ", ".join(f"{one:.2f}" for one in values)


def fuzzed(result: dict[str, Any]) -> str:
    """What the fuzzers did and found, in a sentence."""
    bytes_, asked = result["parsing"], result["asking"]
    return (
        f"hostile bytes through everything that reads a stranger's, {bytes_['runs']:,} runs, "
        f"{bytes_['crashes']} crashes; {asked['requests']:,} requests made of the OpenAPI "
        f"document, {asked['of_5xx']} answers of 5xx, and the gateway still "
        f"{'answered' if asked['answers'] else 'did not answer'}."
    )


def placed(page: str, result: dict[str, Any], fuzz: dict[str, Any]) -> str:
    """The page with both in their places."""
    for mark, told in ((MARK, table(result)), (FUZZ, fuzzed(fuzz))):
        before, _, after = page.split(mark)
        page = f"{before}{mark}\n{told}\n{mark}{after}"
    return page


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true")
    args = parser.parse_args()
    result = json.loads((ROOT / "results" / "bench-gateway.json").read_text())
    fuzz = json.loads((ROOT / "results" / "bench-fuzz.json").read_text())
    if args.write:
        page = placed(PAGE.read_text(encoding="utf-8"), result, fuzz)
        PAGE.write_text(page, encoding="utf-8")
    else:
        print(table(result), fuzzed(fuzz), sep="\n\n")


if __name__ == "__main__":
    main()
