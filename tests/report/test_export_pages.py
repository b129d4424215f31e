"""Markdown and LaTeX: the terminal's figures, and names that print as the names they are."""

from __future__ import annotations

import json
import re
from html import unescape
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

from sallet.report import words
from sallet.report.export import as_latex, as_markdown
from sallet.report.export.options import Options
from sallet.report.export.sheets import COLUMNS
from sallet.report.export.source import Source
from sallet.report.figures import groups
from sallet.report.summary import read
from sallet.runs.store import Store
from tests.report import exports

CELLS = Options("cells")


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Source:
    return exports.source(tmp_path_factory.mktemp("odd") / "run")


@pytest.fixture(scope="module")
def made(run: Path) -> Source:
    return Source.of(Store.read(run))


def html(markdown: bytes) -> str:
    return MarkdownIt("commonmark").enable("table").render(markdown.decode())


def tables(page: str) -> list[list[list[str]]]:
    """Each table's lines, as a browser would show their cells."""
    return [
        [
            [
                unescape(re.sub(r"<[^>]*>", "", cell))
                for cell in re.findall(r"<td.*?>(.*?)</td>", line)
            ]
            for line in re.findall(r"<tr>(.*?)</tr>", table, re.DOTALL)[1:]
        ]
        for table in re.findall(r"<table>(.*?)</table>", page, re.DOTALL)
    ]


def test_markdown_has_every_threat_and_figure_of_the_terminal(made: Source):
    found = groups(read(json.loads((made.folder / "summary.json").read_text())).cells)
    shown = tables(html(as_markdown.render(made, CELLS)))
    assert [len(lines) for lines in shown] == [len(group.lines) for group in found]
    for group, lines in zip(found, shown, strict=True):
        for line, cells in zip(group.lines, lines, strict=True):
            assert len(cells) == len(COLUMNS)
            assert cells[0] == line.defense
            if line.oblivious and line.oblivious.asr:
                assert cells[3] == words.full(line.oblivious.asr)
            if line.undefended:
                assert cells[4] == "same"
            elif line.adaptive and line.adaptive.asr:
                assert cells[4].startswith(words.full(line.adaptive.asr))
            else:
                assert cells[4] == words.NOT_MEASURED
            assert cells[6].startswith(str(line.oblivious.n) if line.oblivious else "–")


def test_markdown_says_world_interval_and_origin(made: Source):
    text = as_markdown.render(made, CELLS).decode()
    assert text.startswith(f"**{words.WORLD}**\n")
    assert "95 % bootstrap intervals over clusters" in text
    assert "n = 24 samples a cell" in text
    assert f"sallet 0.1.0, recipe first-look, digest {made.manifest.digest}" in text
    assert "(1 unassessed)" in text or "(2 unassessed)" in text


def test_markdown_prints_ugly_names_as_they_are(odd: Source):
    page = html(as_markdown.render(odd, CELLS))
    ((undefended, defended),) = tables(page)
    assert (undefended[0], defended[0]) == ("none", exports.NAME)
    assert "<b>" not in page
    assert "href" not in page
    assert "recipe odd_100%" in page


@pytest.mark.parametrize(
    "name", ["[x](javascript:a)", "![i](http://e)", "*a* _b_ `c` ~~d~~ # | \\|"]
)
def test_markdown_escapes_what_would_be_more_than_text(name: str):
    shown = html(as_markdown.escaped(name).encode())
    assert unescape(re.sub(r"</?p>", "", shown)).strip() == name


def test_latex_has_whole_tables(made: Source):
    text = as_latex.render(made, CELLS).decode()
    count = len(groups(read(made.summary).cells))
    for command in (r"\begin{table*}", r"\toprule", r"\midrule", r"\bottomrule", r"\end{table*}"):
        assert text.count(command) == count
    assert len({*re.findall(r"\\label\{(.*?)\}", text)}) == count
    assert braces(text) == 0
    columns = len(as_latex.SIDES)
    rows = [line for line in text.splitlines() if line.endswith(r"\\")]
    assert len(rows) > 3 * count
    assert {len(re.findall(r"(?<!\\)&", line)) for line in rows} == {columns - 1}
    assert {len(head) for head in as_latex.HEADS} == {columns} == {len(COLUMNS)}
    assert text.isascii() or not re.search(r"[–∞×·\u00a0]", text)


def test_latex_caption_says_world_n_interval_and_origin(made: Source):
    for caption in re.findall(r"\\caption\{(.*)\}", as_latex.render(made, CELLS).decode()):
        for part in ("picture world", "n = 24", r"95 \% bootstrap", "sallet 0.1.0", "first-look"):
            assert part in caption
        assert made.manifest.digest in caption


def test_latex_escapes_ugly_names(odd: Source):
    text = as_latex.render(odd, CELLS).decode()
    name = as_latex.escaped(exports.NAME)
    assert f"\n{name} & " in text
    assert braces(text) == 0
    assert r"odd\_100\%" in text


def braces(text: str) -> int:
    """How many groups stay open; a closing brace without an opening one is an error."""
    depth = 0
    for brace in re.findall(r"(?<!\\)[{}]", text):
        depth += 1 if brace == "{" else -1
        assert depth >= 0
    return depth


@pytest.mark.parametrize("special", list('\\{}$&#%_~^<>|"`[]*'))
def test_latex_lets_no_special_character_through(special: str):
    shown = as_latex.escaped(f"a{special}b")
    left = re.sub(r"\\[A-Za-z]+\d*|\\[{}$&#%_]|\{\[\}|\{\]\}|\{\*\}", "", shown)
    assert left.replace("{}", "") == "ab"


def test_latex_joins_no_hyphens_and_keeps_one_line():
    assert as_latex.escaped("a--b-c\nd\x00") == "a-{}-b-c d "
