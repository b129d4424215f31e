"""The error tree. A message says what was expected, what came, and what to do.

SalletError
├── UsageError            the command line or a call was wrong (exit code 2)
│   ├── RecipeError       a recipe names an unknown key, or a value out of range
│   └── UnknownName       a name that the catalogue does not have
├── InputError            bytes from outside are not what they claim to be
├── ModelError            a model folder or a checkpoint cannot be used
│   └── NoGradient        this model or stage gives no gradient
├── RemoteError           an endpoint failed or answered nonsense
├── ContractError         a defence or a worker broke the contract of `Via`
└── StoreError            a run folder cannot be written, or belongs to another recipe
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class SalletError(Exception):
    """Base of every error that Sallet raises on purpose; its text is one line for a user."""


class UsageError(SalletError):
    """What the user asked for cannot be done as asked."""


class RecipeError(UsageError):
    """A recipe or its flags are wrong."""


class UnknownName(UsageError):
    """A name that is not in a table; the message suggests the nearest ones."""

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        names = sorted(known)
        near = difflib.get_close_matches(name, names, n=3, cutoff=0.4)
        hint = f"did you mean {' or '.join(near)}?" if near else f"known: {', '.join(names)}"
        super().__init__(f"unknown {kind} {name!r}; {hint}")
        self.kind, self.name = kind, name


class InputError(SalletError):
    """An image, a sound or a file from outside is unreadable or out of limits."""


class ModelError(SalletError):
    """A model cannot be loaded or cannot take this query."""


class NoGradient(ModelError):
    """No gradient can be had here; the message names the attacks that remain."""


class RemoteError(SalletError):
    """An endpoint could not be reached, or its reply was not one."""


class ContractError(SalletError):
    """A defence or a worker broke the contract; a fault of the code, not of the input."""


class StoreError(SalletError):
    """A run folder cannot be used."""
