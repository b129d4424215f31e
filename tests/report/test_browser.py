"""The report and the viewer in a real browser: filter, sort, open, keys, widths, schemes."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.report.browser import Watched, browser, served

MANY = 20_000
READY = "document.documentElement.dataset.ready === 'yes'"
ROWS = "[...document.querySelectorAll('#rows tr')]"


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    with browser() as shown:
        yield shown


@pytest.fixture
def watched(chromium: Any) -> Iterator[Watched]:
    made = Watched(chromium)
    yield made
    made.close()
    assert made.complaints == []


def test_the_report_is_filtered_sorted_and_asks_nobody(run: Path, watched: Watched):
    page = watched.page
    page.goto((run / "report.html").as_uri())
    watched.until(READY)
    assert [url for url in watched.requests if not url.startswith(("file:", "data:"))] == []
    cards = page.locator("#gallery .card")
    whole = cards.count()
    page.keyboard.press("/")
    page.keyboard.type("jailbreak majority")
    shown = cards.filter(visible=True).count()
    assert 0 < shown < whole
    assert page.locator("#gallery output").inner_text() == f"{shown} of {whole}"

    page.locator("#cells details").evaluate("details => { details.open = true; }")
    head = page.locator("#cells thead button", has_text="Success")
    head.click()
    rates = page.locator("#cells tbody tr td:nth-child(11)").evaluate_all(
        "cells => cells.map(cell => cell.dataset.v).filter(v => v !== '').map(Number)"
    )
    assert rates == sorted(rates)
    head.click()
    assert page.locator("#cells th[aria-sort=descending]").count() == 1

    page.locator("h1").click()
    before = page.evaluate("scrollY")
    page.keyboard.press("j")
    page.wait_for_timeout(700)
    assert page.evaluate("scrollY") != before
    page.locator("#reproduce details").evaluate("details => { details.open = true; }")
    assert "name: first-look" in page.locator("pre.recipe").inner_text()
    assert page.title().startswith("first-look"), "no script of an answer ran"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 820, 1440])
def test_the_report_fits_every_width_in_both_schemes(
    width: int, scheme: str, run: Path, chromium: Any
):
    made = Watched(chromium, viewport={"width": width, "height": 900}, color_scheme=scheme)
    made.page.goto((run / "report.html").as_uri())
    wide = made.page.evaluate("document.documentElement.scrollWidth - innerWidth")
    assert wide <= 0, "nothing makes the page itself scroll sideways"
    ground = made.page.evaluate("getComputedStyle(document.body).backgroundColor")
    light = sum(int(part) for part in ground[4:-1].split(",")[:3]) > 380
    assert light == (scheme == "light")
    made.close()
    assert made.complaints == []


def test_the_report_is_printed_on_white(run: Path, chromium: Any):
    made = Watched(chromium, color_scheme="dark")
    made.page.goto((run / "report.html").as_uri())
    made.page.emulate_media(media="print")
    assert made.page.evaluate("getComputedStyle(document.body).backgroundColor") in (
        "rgb(255, 255, 255)", "rgba(0, 0, 0, 0)",
    )  # fmt: skip
    assert len(made.page.pdf()) > 10_000
    made.close()


def test_view_filters_and_opens_a_row_by_keys_alone(run: Path, watched: Watched):
    page = watched.page
    with served(run) as url:
        page.goto(url)
        watched.until(READY)
        total = int(page.locator("#count").inner_text().split()[2].replace(",", ""))
        assert total == len((run / "rows.jsonl").read_text().splitlines())
        page.keyboard.press("/")
        page.keyboard.type("majority")
        watched.until(f"{ROWS}.length && {ROWS}.every(r => r.cells[3].innerText === 'majority')")
        found = int(page.locator("#count").inner_text().split()[0].replace(",", ""))
        assert 0 < found < total
        page.locator("[data-facet=outcome]").select_option("unassessed")
        watched.until(f"{ROWS}.every(r => r.className === 'unassessed')")
        page.get_by_role("button", name="Reset").click()
        watched.until(f"document.querySelector('#count').innerText.startsWith('{total:,} ')")
        page.locator("[data-facet=attack]").select_option("pgd")
        watched.until(f"{ROWS}.every(r => r.cells[2].innerText.startsWith('pgd'))")
        page.locator("#rows tr").first.focus()
        page.keyboard.press("ArrowDown")
        page.keyboard.press("Enter")
        page.wait_for_selector("dialog[open] .pictures canvas")
        inside = page.locator("dialog").inner_text()
        assert "second judge: " in inside
        assert "model_revision" in inside
        page.keyboard.press("Escape")
        assert page.locator("dialog[open]").count() == 0
        page.get_by_label("Only").select_option("differs")
        watched.until(
            f"{ROWS}.length && {ROWS}.every(r => r.cells[0].innerText.includes('rules:'))"
        )
        asked = {u.split("/")[2] for u in watched.requests if u.startswith("http")}
        assert asked == {url.split("/")[2]}
        assert page.title() == "run · Sallet"


@pytest.fixture(scope="module")
def large(run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of 20,000 rows with answers of a paragraph each."""
    folder = tmp_path_factory.mktemp("large") / "run"
    folder.mkdir()
    lines = (run / "rows.jsonl").read_text(encoding="utf-8").splitlines()
    made: list[str] = []
    for i in range(MANY):
        row = json.loads(lines[i % len(lines)])
        row["sample"], row["answer"] = f"sample-{i}", f"{row['answer']} number {i} " + "word " * 60
        made.append(json.dumps(row))
    (folder / "rows.jsonl").write_text("\n".join(made) + "\n", encoding="utf-8")
    return folder


def test_twenty_thousand_rows_open_and_are_filtered_at_once(large: Path, chromium: Any):
    opened: list[float] = []
    filtered: list[float] = []
    while len(opened) < 3 or (min(opened) > 2 and len(opened) < 8):  # the machine may be busy
        made = Watched(chromium)
        with served(large) as url:
            began = time.perf_counter()
            made.page.goto(url)
            made.until(READY)
            opened.append(time.perf_counter() - began)
            asked = ("number 1234", "sample-77 jpeg", "nowhere")
            filtered += [_filter(made.page, words) for words in asked]
        made.close()
        assert made.complaints == []
    print(f"open {min(opened):.2f} s, filter {sorted(filtered)}")
    assert min(opened) < 2
    assert sorted(filtered)[len(filtered) // 2] < 0.2


def _filter(page: Any, words: str) -> float:
    """From the last key to the rows, as the page itself measures it, its pause included."""
    return page.evaluate(
        """words => new Promise(done => {
            const root = document.documentElement, input = document.getElementById("q");
            const before = root.dataset.shown, began = performance.now();
            const watch = new MutationObserver(() => {
                if (root.dataset.shown === before) return;
                watch.disconnect();
                done((performance.now() - began) / 1000);
            });
            watch.observe(root, { attributes: true });
            input.value = words;
            input.dispatchEvent(new Event("input", { bubbles: true }));
        })""",
        words,
    )
