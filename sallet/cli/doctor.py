"""`sallet doctor`: what this machine can run."""

from __future__ import annotations

import argparse
import json

from sallet.models import doctor


def run(args: argparse.Namespace) -> int:
    """Prints the report, or gives it as JSON."""
    found = doctor.report()
    if args.json:
        print(json.dumps(found, ensure_ascii=False))
    else:
        print(doctor.render(found))
    return 0
