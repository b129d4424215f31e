"""`sallet view RUN`: every row of a run in the browser, until Ctrl-C."""

from __future__ import annotations

import argparse
import webbrowser

from sallet.core.errors import UsageError
from sallet.report.view.server import serve


def run(args: argparse.Namespace) -> int:
    """Serves on this machine's own address."""
    try:
        server = serve(args.folder, args.port)
    except (OSError, OverflowError) as error:
        why = getattr(error, "strerror", None) or error
        raise UsageError(
            f"port {args.port} cannot be had ({why}); choose another, or none"
        ) from None
    where = f"http://127.0.0.1:{server.server_address[1]}/"
    print(f"{args.folder} at {where} (Ctrl-C ends it)", flush=True)
    if args.open:
        webbrowser.open(where)
    with server:
        try:
            server.serve_forever(poll_interval=0.2)
        except KeyboardInterrupt:
            print()
    return 0
