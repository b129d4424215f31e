"""`python -m sallet` is `sallet`."""

import sys

from sallet.cli.main import run

sys.exit(run())
