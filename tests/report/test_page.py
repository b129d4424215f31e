from __future__ import annotations

import json
import re
import shutil
import subprocess
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from sallet.core.errors import StoreError
from sallet.report import page, words
from sallet.runs.codec import from_line, to_line
from tests.report import made

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
VOID = {"meta", "link", "img", "input", "br", "hr"}
SVG = {"path", "circle", "rect"}


class Tree(HTMLParser):
    """Every tag with its attributes, the text of the body, and whether all tags are closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.open: list[str] = []
        self.rows: list[tuple[str, list[str]]] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag == "tr":
            self.rows.append((dict(attrs).get("data-defense") or "", []))
        if tag in ("td", "th") and self.rows:
            self.rows[-1][1].append("")
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag

    def handle_data(self, data):
        if not {"style", "script", "title"} & {*self.open}:
            self.text.append(data)
        if {"td", "th"} & {*self.open}:
            self.rows[-1][1][-1] += data


@pytest.fixture(scope="module")
def tree(html: str) -> Tree:
    return Tree(html)


def test_every_tag_is_closed_and_ids_are_unique(tree: Tree):
    assert tree.open == []
    ids = [a["id"] for _, a in tree.tags if "id" in a]
    assert len(ids) == len({*ids})
    targets = {a["href"][1:] for t, a in tree.tags if t == "a" and a["href"].startswith("#")}
    assert targets
    assert targets <= {*ids}


def test_nothing_is_fetched_from_anywhere(html: str, tree: Tree):
    for tag, attributes in tree.tags:
        for name in (
            "src",
            "href",
            "action",
            "srcset",
            "data",
            "poster",
            "background",
            "xlink:href",
        ):
            value = attributes.get(name)
            assert value is None or value.startswith(("#", "data:")), f"{tag} {name}={value}"
        assert tag not in ("iframe", "object", "embed", "base", "form")
    assert not re.search(r"https?://", html)
    assert "@import" not in html
    assert "url(" not in html


def test_the_first_line_says_what_world_this_is(tree: Tree):
    assert next(text.strip() for text in tree.text if text.strip()) == words.WORLD


def test_hostile_text_stays_text(html: str, tree: Tree):
    assert [tag for tag, _ in tree.tags].count("script") == 1
    assert not any(name.startswith("on") for _, attributes in tree.tags for name in attributes)
    assert all((a.get("src") or "").startswith("data:") for t, a in tree.tags if t == "img")
    assert made.HOSTILE in "".join(tree.text), "it is shown as it was said"
    assert "&lt;script&gt;" in html


def test_a_policy_lets_only_the_script_of_this_page_run(tree: Tree):
    policy = next(a["content"] for t, a in tree.tags if a.get("http-equiv"))
    assert policy.startswith("default-src 'none'")
    assert re.search(r"script-src 'sha256-[\w+/=]+';", policy)


def test_every_defence_has_its_adaptive_figure_or_says_that_it_has_none(tree: Tree):
    rows = [(name, cells) for name, cells in tree.rows if name]
    assert len(rows) == 6 * len(made.DEFENSES)
    for name, cells in rows:
        oblivious, adaptive = cells[1], cells[2]
        assert "%" in oblivious
        if name == "none":
            assert "the same" in adaptive
        else:
            assert "%" in adaptive or words.NOT_MEASURED in adaptive
    assert any(words.NOT_MEASURED in cells[2] for _, cells in rows)


def test_images_have_alternatives_and_plots_have_words(tree: Tree):
    assert all(a.get("alt") for t, a in tree.tags if t == "img")
    plots = [a for t, a in tree.tags if t == "svg" and "aria-hidden" not in a]
    assert len(plots) >= 8
    assert all(a["role"] == "img" and len(a["aria-label"] or "") > 40 for a in plots)
    tables = sum(tag == "table" for tag, _ in tree.tags)
    assert tables == sum(tag == "caption" for tag, _ in tree.tags)


def test_unassessed_rows_flags_and_provenance_are_shown(tree: Tree):
    text = " ".join("".join(tree.text).split())
    assert "unassessed rows" in text
    assert "no answer: time-out <after> 30 s" in text or "unassessed" in text
    assert "random-without-eot" in text
    assert "averaged over no defence seeds" in text
    for said in ("0123456789abcdef", "deadbeef", "2.11.0", "sallet evaluate", "3 min 42 s"):
        assert said in text


def test_the_same_run_gives_the_same_bytes(run: Path, html: str):
    assert page.write(run).read_text(encoding="utf-8") == html
    assert len(html) < 6_000_000


def test_other_models_are_named(run: Path, tmp_path: Path):
    summary = json.loads((run / "summary.json").read_text())
    for cell in summary["cells"]:
        cell["model"] = "org/<b>big</b>"
    shown = Tree(page.render(page.view(summary, [], lambda digest: None)))
    assert next(t.strip() for t in shown.text if t.strip()) == "Measured on org/<b>big</b>."


def test_an_empty_run_still_has_a_page(tmp_path: Path):
    (tmp_path / "summary.json").write_text('{"recipe": "r", "digest": "d", "cells": []}')
    assert "Nothing was measured yet" in page.write(tmp_path).read_text()


def test_a_digest_never_leaves_the_folder_of_images(tmp_path: Path):
    run = made.folder(tmp_path / "run", models=(made.WEAK,), n=2)
    shutil.copy(next((run / "artifacts").glob("*.png")), run / "secret.png")
    lines = (run / "rows.jsonl").read_text().splitlines()
    rows = [replace(from_line(line), clean_images=("../secret",)) for line in lines]
    (run / "rows.jsonl").write_text("".join(f"{to_line(row)}\n" for row in rows))
    assert "were not kept" in page.write(run).read_text()


@pytest.mark.parametrize("content", [None, "{", "[]"])
def test_a_folder_without_a_summary_is_an_error_in_one_line(tmp_path: Path, content: str | None):
    if content is not None:
        (tmp_path / "summary.json").write_text(content)
    with pytest.raises(StoreError) as caught:
        page.write(tmp_path)
    assert "\n" not in str(caught.value)


@pytest.mark.skipif(CHROMIUM is None, reason="no chromium here; the parser's tests have run")
def test_a_browser_opens_it_offline_without_a_complaint(run: Path, tmp_path: Path):
    done = subprocess.run(
        [
            str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu",
            "--disable-background-networking", "--disable-dev-shm-usage",
            f"--user-data-dir={tmp_path}", "--enable-logging=stderr", "--dump-dom",
            (run / "report.html").as_uri(),
        ],
        capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    assert [line for line in done.stderr.splitlines() if "CONSOLE" in line] == []
    assert 'data-ready="yes"' in done.stdout, "the page's own script ran to its end"
    assert "<title>first-look" in done.stdout, "no script of an answer ran"
    assert done.stdout.count('<th scope="col"') > 20
