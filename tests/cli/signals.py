"""What a child process makes of Ctrl-C."""

from __future__ import annotations

import signal


def listening() -> None:
    """For `preexec_fn`: a shell that starts the tests in the background has everybody ignore it."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
