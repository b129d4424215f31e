r"""LaTeX: the table of cells for a paper, with booktabs; a `table*` spans both columns of one.

`\input` it; the document needs `\usepackage{booktabs}` and nothing else, in any engine.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from sallet.report import words
from sallet.report.export.options import Options
from sallet.report.export.sheets import LEGEND, Part, Sheet, sheets, world
from sallet.report.export.source import Source

HEADS = (
    ("", "", "over-", "ASR", "ASR", "ASR", "", "", "", ""),
    (
        "defence",
        "utility",
        "refusal",
        "oblivious",
        "adaptive",
        "worst",
        "n",
        "refused by",
        "calls",
        "seconds",
    ),
)
SIDES = "lrrrrlrlrr"
_ESCAPES = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "%": r"\%",
    "_": r"\_",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"{\char34}",  # some languages give it a meaning of their own
    "`": r"\textasciigrave{}",
    "[": "{[}",  # after the end of a line, a bracket or a star would belong to it
    "]": "{]}",
    "*": "{*}",
    "-": "-{}",  # only before another one, with which it would join to a dash
    "–": "--",
    "∞": r"$\infty$",
    "×": r"$\times$",
    "·": r"$\cdot$",
    "\u00a0": "~",
}
_SPECIAL = re.compile("|".join(r"-(?=-)" if text == "-" else re.escape(text) for text in _ESCAPES))


def render(source: Source, options: Options) -> bytes:
    """Every table, after a line that says what they need."""
    every = (world(source).rstrip("."), *LEGEND, f"Made by {source.made_by}")
    tables = [
        _table(sheet, f"sallet-{source.manifest.digest}-{number}", every)
        for number, sheet in enumerate(sheets(source), start=1)
    ]
    return "\n".join([r"% Needs \usepackage{booktabs} in the document.", *tables]).encode()


def _table(sheet: Sheet, label: str, every: Sequence[str]) -> str:
    caption = ". ".join([sheet.title, *sheet.notes, *every])  # a float stands alone
    lines = [
        r"\begin{table*}",
        r"\centering\footnotesize\setlength{\tabcolsep}{3.5pt}",
        rf"\caption{{{escaped(caption)}.}}",
        rf"\label{{tab:{''.join(c for c in label if c.isalnum() or c == '-')}}}",
        rf"\begin{{tabular}}{{@{{}}{SIDES}@{{}}}}",
        r"\toprule",
        *(rf"{' & '.join(head)} \\" for head in HEADS),
        r"\midrule",
        *(rf"{' & '.join(_part(part) for part in line)} \\" for line in sheet.lines),
        r"\bottomrule",
        r"\end{tabular}",
        r"\end{table*}",
    ]
    return "\n".join(lines) + "\n"


def _part(part: Part) -> str:
    if isinstance(part, str):
        return escaped(part)
    low, high = (f"{100 * end:.0f}" for end in part.rate[1:])
    shown = rf"{escaped(words.percent(part.rate[0]))} {{\scriptsize[{low}--{high}]}}"
    return f"{shown} {escaped(part.remark)}".strip()


def escaped(text: str) -> str:
    """The text as LaTeX that prints as exactly this text, on one line."""
    one_line = "".join(c if c.isprintable() or c == "\u00a0" else " " for c in text)
    return _SPECIAL.sub(lambda found: _ESCAPES[found[0]], one_line)
