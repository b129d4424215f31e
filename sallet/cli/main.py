"""The command line's front door: parses, calls one handler, turns errors into one line.

Nothing heavy is imported before a handler needs it: help, version and `list` answer at once.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Callable, Sequence

import sallet
from sallet.cli import parsers
from sallet.core.errors import SalletError, UsageError

FINE, FAILED, MISUSED = 0, 1, 2

# Threads that wait for each other should sleep, not spin: on a shared machine, spinning ones take
# the very core they wait for (read by OpenMP when torch is loaded).
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def run(argv: Sequence[str] | None = None) -> int:
    """The exit code: 0 fine, 1 a run failed, 2 the command or the recipe was wrong."""
    args = _parser().parse_args(argv)
    args.words = list(sys.argv[1:] if argv is None else argv)
    try:
        return _handler(args.handler)(args)
    except UsageError as error:
        return _say(error, MISUSED)
    except SalletError as error:
        return _say(error, FAILED)
    except KeyboardInterrupt as error:
        return _say(error, FAILED, "stopped")
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except Exception as error:
        if os.environ.get("SALLET_DEBUG"):
            raise
        if isinstance(error, ModuleNotFoundError) and (advice := _advice(error.name)):
            return _say(error, MISUSED, advice)
        error.add_note("set SALLET_DEBUG=1 for the traceback")
        return _say(error, FAILED, f"{type(error).__name__}: {error}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="sallet", description="Attacks, defends, measures and guards vision-language models."
    )
    parser.add_argument("--version", action="version", version=f"sallet {sallet.__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    parsers.add_all(commands)
    return parser


def _handler(target: str | Callable[[argparse.Namespace], int]) -> Callable[..., int]:
    """A handler, or where it is: `module:function`."""
    if callable(target):
        return target
    module, _, name = target.partition(":")
    return getattr(importlib.import_module(module), name)


def _advice(module: str | None) -> str | None:
    from sallet.cli.extras import advice

    return advice(module)


def _say(error: BaseException, code: int, message: str | None = None) -> int:
    """One line: the error, and the notes that were added on its way up."""
    words = "; ".join([message or str(error), *getattr(error, "__notes__", [])])
    print(f"sallet: error: {' '.join(words.split())}", file=sys.stderr)
    return code
