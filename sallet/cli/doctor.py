"""`sallet doctor`: what this machine can run."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict

from sallet.models import doctor


def run(args: argparse.Namespace) -> int:
    """Prints the report, or gives it as JSON."""
    seen = doctor.report()
    if args.json:
        print(json.dumps(asdict(seen), ensure_ascii=False))
    else:
        print(doctor.render(seen))
    return 0
