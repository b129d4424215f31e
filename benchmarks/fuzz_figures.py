"""What `make fuzz` did and found, from what it printed.

    python benchmarks/fuzz_figures.py --logs .fuzz --out results/bench-fuzz.json

`parsing.log` is of the coverage-guided fuzzer, `asking.log` of schemathesis; files that made the
fuzzer crash lie beside them.
"""

from __future__ import annotations

import argparse
import json
import re
from pathlib import Path
from typing import Any


def parsing(log: str, crashes: int) -> dict[str, Any]:
    """Runs, seconds and coverage of the fuzzer's last line; a log that was cut off is an error."""
    done = re.search(r"^Done (\d+) runs in (\d+) second", log, re.M)
    covered = re.findall(r"cov: (\d+) ft: (\d+) corp: (\d+)/", log)
    if done is None or not covered:
        raise SystemExit("the fuzzer's log has no end")
    edges, features, corpus = map(int, covered[-1])
    return {
        "runs": int(done[1]), "seconds": int(done[2]), "edges": edges, "features": features,
        "corpus": corpus, "crashes": crashes,
    }  # fmt: skip


def asking(log: str) -> dict[str, Any]:
    """Requests that have their record, those of 5xx, and whether the gateway still answered."""
    done = re.search(r"^(\d+) records, (\d+) of 5xx, answers at the end: (True|False)", log, re.M)
    if done is None:
        raise SystemExit("the log of the requests has no end")
    return {"requests": int(done[1]), "of_5xx": int(done[2]), "answers": done[3] == "True"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--logs", type=Path, required=True)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    crashes = sum(len(list(args.logs.glob(f"{kind}-*"))) for kind in ("crash", "oom", "timeout"))
    result = {
        "parsing": parsing((args.logs / "parsing.log").read_text(errors="replace"), crashes),
        "asking": asking((args.logs / "asking.log").read_text(errors="replace")),
    }
    print(json.dumps(result))
    if args.out:
        args.out.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
