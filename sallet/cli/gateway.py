"""The flags of `sallet serve`, `sallet policy` and `sallet audit`."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def add_parsers(commands: Any) -> None:
    """The gateway's commands."""
    about = "guard a live model: an OpenAI-compatible server in front of another"
    serve = commands.add_parser("serve", help=about, description=about[0].upper() + about[1:])
    serve.set_defaults(handler="sallet.cli.serve:run")
    serve.add_argument("--upstream", metavar="URL", help="the model server, ending in /v1")
    serve.add_argument("--policy", type=Path, metavar="FILE", help="see docs/gateway.md")
    serve.add_argument("--host", default="127.0.0.1", help="(%(default)s)")
    serve.add_argument("--port", type=int, default=8000, help="(%(default)s)")
    serve.add_argument(
        "--workers", type=int, default=1, metavar="N",
        help="processes that share the port, each with all of it (%(default)s)",
    )  # fmt: skip
    serve.add_argument(
        "--no-probe", action="store_true", help="do not ask the model server anything at the start"
    )
    about = "what a policy means, and what its stacks are worth"
    policy = commands.add_parser("policy", help=about, description=about[0].upper() + about[1:])
    kinds = policy.add_subparsers(title="what", metavar="WHAT", required=True)
    check = kinds.add_parser("check", help="check a policy and look its stacks up in your runs")
    check.set_defaults(handler="sallet.cli.policy:check")
    check.add_argument("file", type=Path, metavar="FILE")
    check.add_argument(
        "--runs", type=Path, action="append", metavar="DIR",
        help="a folder of runs; more than once (default: results and runs, where they are)",
    )  # fmt: skip
    check.add_argument("--model", metavar="NAME", help="only figures of this model")
    check.add_argument("--json", action="store_true", help="one JSON object, last on stdout")
    key = kinds.add_parser("key", help="make an API key, and the line that knows it")
    key.set_defaults(handler="sallet.cli.policy:key")
    key.add_argument("name", metavar="NAME", help="whose key it is")
    key.add_argument("--file", type=Path, metavar="FILE", help="append the line to this file")
    _audit(commands)


def _audit(commands: Any) -> None:
    about = "what a gateway recorded"
    audit = commands.add_parser("audit", help=about, description=about[0].upper() + about[1:])
    kinds = audit.add_subparsers(title="what", metavar="WHAT", required=True)
    for name, summary in (
        ("query", "records that match, one line of JSON each"),
        ("summary", "verdicts, reasons, stages and times"),
    ):
        command = kinds.add_parser(name, help=summary)
        command.set_defaults(handler=f"sallet.cli.audit:{name}")
        command.add_argument("file", type=Path, metavar="FILE", help="JSON lines or SQLite")
        command.add_argument("--verdict", metavar="VALUE", help="see docs/gateway.md")
        for flag in ("client", "model", "code", "id"):
            command.add_argument(f"--{flag}", metavar="VALUE")
        command.add_argument("--since", metavar="TIME", help="such as 2026-01-31T12:00, in UTC")
        command.add_argument("--digest", metavar="SHA256", help="with this part, in or out")
        command.add_argument("--limit", type=int, metavar="N", help="the last N")
        command.add_argument("--json", action="store_true", help="one JSON object, last on stdout")
    replay = kinds.add_parser("replay", help="a stored request through today's policy")
    replay.set_defaults(handler="sallet.cli.audit:replay")
    replay.add_argument("content", type=Path, metavar="DIR", help="the policy's audit.content")
    replay.add_argument("id", metavar="ID")
    replay.add_argument("--policy", type=Path, required=True, metavar="FILE")
    replay.add_argument("--json", action="store_true", help="one JSON object, last on stdout")
