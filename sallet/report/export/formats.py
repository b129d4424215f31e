"""The table of formats: one line a format, each loaded when it is asked for."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from sallet.core.errors import UnknownName, UsageError


@dataclass(frozen=True)
class Format:
    """What it is for, where it is made, and what it can do."""

    summary: str
    target: str  # called with a source and options it gives the file; of a folder, writes it
    what: tuple[str, ...]  # the first is what it has when nothing is asked
    text: bool = True  # for a terminal, too
    folder: bool = False
    limits: bool = False  # whether it says which limits are kept
    package: str | None = None  # that sallet does not need otherwise

    def load(self) -> Callable[..., Any]:
        """What makes it, or an error that says what to install."""
        module, _, name = self.target.partition(":")
        try:
            return getattr(importlib.import_module(f"{__package__}.{module}"), name)
        except ImportError as error:
            if self.package is None:
                raise
            raise UsageError(
                f"this format needs the package {self.package}, which cannot be imported "
                f"({error}): pip install 'sallet[export]'"
            ) from None


FORMATS: Mapping[str, Format] = MappingProxyType(
    {
        "csv": Format("for spreadsheets and pandas", "as_csv:render", ("rows", "cells")),
        "parquet": Format(
            "with types, for pandas and DuckDB",
            "as_parquet:render",
            ("rows", "cells"),
            text=False,
            package="pyarrow",
        ),
        "markdown": Format("the terminal's table", "as_markdown:render", ("cells",)),
        "latex": Format("the terminal's table, for a paper", "as_latex:render", ("cells",)),
        "inspect": Format(
            "a folder of logs for `inspect view`",
            "as_inspect:write",
            ("rows",),
            text=False,
            folder=True,
            package="inspect-ai",
        ),
        "junit": Format(
            "limits as tests, for CI", "as_junit:render", ("cells", "rows"), limits=True
        ),
        "sarif": Format(
            "broken cells as alerts, for code scanning", "as_sarif:render", ("cells",), limits=True
        ),
    }
)


def find(name: str) -> Format:
    """The format of this name."""
    if name not in FORMATS:
        raise UnknownName("format", name, FORMATS)
    return FORMATS[name]
