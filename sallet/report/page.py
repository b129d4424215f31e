"""`report.html`: one page that needs nothing else, made of `summary.json`, rows and images.

Everything but `write` is a pure function. Answers and questions are hostile text: the template
escapes all of them, and the page's own policy lets no script run but the one that it came with.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

import sallet
from sallet.attacks.checks import EXPLAINED
from sallet.core.errors import InputError, StoreError
from sallet.media.file import ImageFile
from sallet.report import judging, words
from sallet.report.categories import Categories, categories
from sallet.report.cautions import Caution, cautions, slug
from sallet.report.curves import Plot, plots
from sallet.report.figures import Cost, Group, costs, groups
from sallet.report.forest import Forest, forest
from sallet.report.gallery import RULE, Example, Gallery, Load, Made, gallery, made_name
from sallet.report.heatmap import Heatmap, heatmaps
from sallet.report.judging import Pair
from sallet.report.pictures import Pixels
from sallet.report.reading import reading
from sallet.report.refusal_bars import Bar, bars
from sallet.report.summary import Summary, read
from sallet.report.tradeoff import Panel, panels
from sallet.runs import files
from sallet.runs.record import Cell, Row
from sallet.runs.store import read_rows

TEMPLATES = Path(__file__).parent / "templates"
DIGEST = re.compile(r"(purified/)?[\w-]{1,196}", re.ASCII)  # names a file: no other path in it


@dataclass(frozen=True)
class Section:
    """One threat: its plot and its table."""

    anchor: str
    group: Group
    forest: Forest
    controlled: bool
    transferred: bool


@dataclass(frozen=True)
class View:
    """All that the template shows."""

    first_line: str
    summary: Summary
    answers: int
    unassessed: int
    reading: tuple[str, ...]
    lead: Example | None
    sections: tuple[Section, ...]
    heatmaps: tuple[Heatmap, ...]
    plots: tuple[Plot, ...]
    categories: tuple[Categories, ...]
    judged: tuple[Pair, ...]
    official: tuple[judging.Figure, ...]
    panels: tuple[Panel, ...]
    costs: tuple[Cost, ...]
    bars: tuple[Bar, ...]
    gallery: Gallery
    rule: str
    cautions: tuple[Caution, ...]
    provenance: tuple[tuple[str, str], ...]
    recipe: str
    version: str


def view(
    summary: Mapping[str, Any],
    rows: Sequence[Row],
    load_artifact: Load,
    made: Made = lambda _: None,
) -> View:
    """The page of a run, before it is written."""
    run = read(summary)
    compared, prices = groups(run.cells), costs(run.cells)
    shown = gallery(rows, load_artifact, made)
    lead = _lead(shown.examples)
    return View(
        first_line=words.first_line(run.models),
        summary=run,
        answers=sum(cell.n for cell in run.cells),
        unassessed=sum(cell.unassessed for cell in run.cells),
        reading=reading(compared, prices),
        lead=lead,
        sections=tuple(_section(group, i) for i, group in enumerate(compared, start=1)),
        heatmaps=heatmaps(run.cells),
        plots=plots(run.cells),
        categories=categories(run.cells),
        judged=judging.pairs(run.cells),
        official=judging.figures(run.cells),
        panels=panels(compared),
        costs=prices,
        bars=bars(compared, prices),
        gallery=Gallery(tuple(e for e in shown.examples if e is not lead), shown.left_out),
        rule=RULE,
        cautions=cautions(run.cells, compared, EXPLAINED),
        provenance=_provenance(run),
        recipe=_recipe(summary),
        version=str(summary.get("sallet") or sallet.__version__),
    )


def render(page: View) -> str:
    """The page as HTML; the same view gives the same bytes."""
    script = (TEMPLATES / "page.js").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return (
        _environment()
        .get_template("page.jinja")
        .render(
            page=page,
            words=words,
            style=Markup((TEMPLATES / "page.css").read_text(encoding="utf-8")),
            script=Markup(script),
            script_digest=digest,
        )
    )


def write(run_dir: Path) -> Path:
    """Writes `report.html` into a run's folder; returns its path."""
    try:
        summary = json.loads((run_dir / "summary.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise StoreError(
            f"cannot read {run_dir / 'summary.json'} ({error}); a report needs a run's folder"
        ) from None
    load = _loader(run_dir / "artifacts")

    def made(row: Row) -> Pixels | None:
        return load(made_name(row).removesuffix(".png")) if row.hostile_images else None

    html = render(view(summary, read_rows(run_dir), load, made))
    path = run_dir / "report.html"
    files.replace(path, html.encode())
    return path


def _loader(folder: Path) -> Load:
    def load(digest: str) -> Pixels | None:
        path = folder / f"{digest}.png"
        if not DIGEST.fullmatch(digest) or not path.is_file():
            return None
        try:
            return ImageFile(path).load()
        except InputError:
            return None

    return load


def _lead(examples: Sequence[Example]) -> Example | None:
    """The first example with two images and a success; one with a wanted answer comes first."""
    telling = [example for example in examples if example.fooled and len(example.pictures) >= 3]
    return next((e for e in telling if e.wanted), next(iter(telling), None))


def _section(group: Group, number: int) -> Section:
    return Section(
        anchor=f"threat-{number}",
        group=group,
        forest=forest(group),
        controlled=any(line.control is not None for line in group.lines),
        transferred=any(line.transfer is not None for line in group.lines),
    )


def _provenance(run: Summary) -> tuple[tuple[str, str], ...]:
    judges = dict.fromkeys(cell.key.judge for cell in run.cells if cell.key.judge)
    intervals = dict.fromkeys(cell.interval for cell in run.cells if cell.interval)
    said = (
        ("recipe", run.recipe),
        ("digest of the recipe", run.digest),
        ("commit", run.commit),
        ("machine", run.machine),
        ("time", words.duration(run.seconds)),
        ("models", words.listed(run.models)),
        ("judges", words.listed(judges)),
        ("intervals (95 %)", words.listed(intervals)),
        *run.origin,
    )
    return tuple((name, value) for name, value in said if value)


def _recipe(summary: Mapping[str, Any]) -> str:
    """The recipe with every default written out, as the run kept it."""
    found = summary.get("resolved_recipe")
    if not found:
        return ""
    return yaml.safe_dump(found, sort_keys=False, allow_unicode=True, width=100).strip()


def _ticks(text: str) -> Markup:
    """Escaped text; what stands between backticks is set as code."""
    parts = [escape(part) for part in text.split("`")]
    return Markup("").join(
        Markup("<code>{}</code>").format(part) if i % 2 else part for i, part in enumerate(parts)
    )


def _settings(cell: Cell) -> str:
    return ", ".join(f"{name} {value}" for name, value in cell.key.params.items())


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(ticks=_ticks, slug=slug, settings=_settings)
    return environment
