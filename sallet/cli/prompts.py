"""The flags of `sallet train adashield` and `sallet train prefix`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

FORMS = ("world/picture", "world/typographic", "world/harmful-text")


def add_parser(kinds: Any) -> None:
    """What `sallet train` can do for prompts."""
    _adashield(kinds)
    _prefix(kinds)


def _adashield(kinds: Any) -> None:
    about = "AdaShield-A's pool: a prompt refined for each scenario"
    command = kinds.add_parser("adashield", help=about, description=about)
    command.add_argument("--out", type=Path, required=True, metavar="FILE", help="a .json file")
    command.add_argument(
        "--model", default="world/llava-strong", metavar="NAME", help="defended (%(default)s)"
    )
    command.add_argument(
        "--defender", metavar="NAME",
        help="a model that writes prompts (default: the listed ones of --prompt, in turn)",
    )  # fmt: skip
    command.add_argument(
        "--prompt", action="append", metavar="TEXT",
        help="what is tried next where no model writes; more than once (held-out safety wordings)",
    )  # fmt: skip
    command.add_argument(
        "--static", default="plain", metavar="WORDING", help="the first prompt (%(default)s)"
    )
    command.add_argument(
        "--encoder", default="world/clip", metavar="NAME", help="places examples (%(default)s)"
    )
    command.add_argument(
        "--benchmark", action="append", metavar="NAME",
        help=f"where harmful examples are from ({', '.join(FORMS)})",
    )  # fmt: skip
    command.add_argument(
        "--samples", type=int, default=240, metavar="N", help="a benchmark (%(default)s)"
    )
    command.add_argument("--shown", type=int, default=2, help="a scenario (%(default)s)")
    command.add_argument("--held", type=int, default=5, help="that validate (%(default)s)")
    command.add_argument("--rounds", type=int, default=4, help="of refinement (%(default)s)")
    command.add_argument("--keep", type=float, default=0.8, help="refused, at least (%(default)s)")
    command.add_argument("--seed", type=int, default=0)
    command.add_argument("--json", action="store_true", help="one JSON object, last on stdout")
    command.set_defaults(handler="sallet.cli.adashield:run")


def _prefix(kinds: Any) -> None:
    about = "a text before the request: one for all, or a generator of one for each"
    command = kinds.add_parser("prefix", help=about, description=about)
    command.add_argument(
        "--out", type=Path, required=True, metavar="OUT", help="a .json file, or else a folder"
    )
    command.add_argument(
        "--model", default="world/llava-strong", metavar="NAME", help="defended (%(default)s)"
    )
    command.add_argument(
        "--fixed", action="store_true", help="one text for all, by discrete search; OUT is a file"
    )
    command.add_argument(
        "--start", action="append", metavar="TEXT",
        help="where the search starts; more than once (held-out safety wordings)",
    )  # fmt: skip
    command.add_argument(
        "--warm-text", metavar="TEXT", help="what a generator is first taught (the shipped prefix)"
    )
    command.add_argument(
        "--base", metavar="NAME",
        help="a causal language model's folder or hub name (default: the model's own tower)",
    )  # fmt: skip
    command.add_argument("--purifier", metavar="FOLDER", help="in the loop, below the prefix")
    command.add_argument("--limit", type=int, default=24, metavar="N", help="a set (%(default)s)")
    command.add_argument("--eps", type=float, default=8.0, help="of the attack (%(default)s)")
    command.add_argument("--rounds", type=int, default=8, help="of the search (%(default)s)")
    command.add_argument("--tries", type=int, default=10, help="a round (%(default)s)")
    command.add_argument("--warm", type=int, default=60, help="supervised steps (%(default)s)")
    command.add_argument("--steps", type=int, default=40, help="of policy gradient (%(default)s)")
    command.add_argument("--kl", type=float, default=0.001, help="to the base (%(default)s)")
    command.add_argument(
        "--penalty", type=float, default=0.5, help="for over-refusal (%(default)s)"
    )
    command.add_argument("--seed", type=int, default=0)
    command.add_argument("--json", action="store_true", help="one JSON object, last on stdout")
    command.set_defaults(handler="sallet.cli.prefix:run")
