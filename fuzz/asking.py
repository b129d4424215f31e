"""Requests that schemathesis makes of our OpenAPI document, against a gateway on loopback.

    python fuzz/asking.py --seconds 600 --schemathesis .fuzz/bin/schemathesis

The gateway has a defence and a model server that always answers, so a status of 500 and above is a
fault of ours. At the end it must still answer, and every request must have its record.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.gateway.conftest import guarding
from tests.gateway.upstream import modelled

DOCUMENT = Path(__file__).with_name("openapi.yaml")


def main() -> int:
    """0, or 1 where something was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=600)
    parser.add_argument("--schemathesis", type=Path, required=True)
    args = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as folder,
        modelled() as model,
        guarding(model, Path(folder), stacks={"default": ["jpeg"]}) as guard,
    ):
        words = [str(args.schemathesis), "run", str(DOCUMENT), "--url", guard.url]
        words += ["--checks", "not_a_server_error", "--max-examples", "1000000"]
        try:
            done = subprocess.run(words, timeout=args.seconds, check=False)
            failed = done.returncode != 0
        except subprocess.TimeoutExpired:
            failed = False  # time was up and nothing had been found
        model.bodies.clear()
        fine = guard.ask("hi").status_code == 200
        records = guard.records()
        bad = [r for r in records if (r["status"] or 0) >= 500]
        print(f"{len(records)} records, {len(bad)} of 5xx, answers at the end: {fine}")
        return int(failed or bool(bad) or not fine)


if __name__ == "__main__":
    sys.exit(main())
