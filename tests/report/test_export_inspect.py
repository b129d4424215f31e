"""Logs of inspect: read back by inspect itself, and listed by its viewer's server."""

from __future__ import annotations

import base64
import io
import json
import math
import os
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest
from inspect_ai.log import (
    EvalLog,
    EvalSample,
    headline_metric,
    list_eval_logs,
    read_eval_log,
)
from inspect_ai.model import ContentImage, ContentText
from PIL import Image

from sallet.report.export.options import Options
from sallet.report.export.source import Arm, Source
from sallet.report.export.write import save
from sallet.runs.record import Row
from sallet.runs.store import Store
from tests.harness import handmade
from tests.report import exports

ROWS = Options("rows")


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Source:
    return exports.source(tmp_path_factory.mktemp("odd") / "run")


@pytest.fixture(scope="module")
def folder(odd: Source, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("logs") / "odd"
    save(odd, "inspect", ROWS, out)
    return out


def paired(source: Source, folder: Path) -> list[tuple[Arm, EvalLog]]:
    """Each cell beside its log, which is listed under its id."""
    found = list_eval_logs(str(folder), recursive=False)
    logs = {info.task_id: read_eval_log(info.name, resolve_attachments=True) for info in found}
    assert len(logs) == len(found) == len(list(folder.iterdir())) == len(source.arms)
    assert all(log.eval.task_id == digest for digest, log in logs.items())
    return [(arm, logs[arm.digest]) for arm in source.arms]


def sampled(rows: Sequence[Row], log: EvalLog) -> list[tuple[EvalSample, Row]]:
    """Each sample with its row; inspect keeps samples in an order of its own."""
    known = {row.sample: row for row in rows}
    assert log.samples
    assert {sample.id for sample in log.samples} == {*known}
    return [(sample, known[str(sample.id)]) for sample in log.samples]


def test_one_log_for_each_cell_says_what_the_cell_says(odd: Source, folder: Path):
    for arm, log in paired(odd, folder):
        assert (log.status, log.eval.model, log.eval.solver) == (
            "success",
            arm.key.model,
            arm.key.defense,
        )
        assert log.eval.dataset.name == arm.key.benchmark
        assert log.eval.task_args["eps"] == arm.key.eps
        assert log.eval.run_id == odd.manifest.digest
        assert log.eval.packages["sallet"] == odd.manifest.sallet
        assert log.results
        shown = {one.name: one.metrics for one in log.results.scores}
        rates = {name for name in ("asr", "utility", "over_refusal") if arm.sums[name]}
        assert {*shown} == rates
        for name, metrics in shown.items():
            values = [metrics[f"{name}{end}"].value for end in ("", "_low", "_high")]
            assert values == arm.sums[name]
        headline = headline_metric(log)
        assert headline
        assert headline.name == ("asr" if arm.key.goal else "over_refusal")


def test_samples_have_question_answer_and_verdict(odd: Source, folder: Path):
    for arm, log in paired(odd, folder):
        for sample, row in sampled(arm.rows, log):
            assert not isinstance(sample.input, str)
            assert sample.input[0].text.endswith(row.question)
            assert sample.output.completion == (row.answer or "")
            assert sample.metadata["defense_seeds"] == list(row.defense_seeds)
            assert (sample.error is not None) == (row.answer is None)
            assert sample.scores
            for score in sample.scores.values():
                assert (score.answer, score.explanation) == (row.answer, row.reason)


def test_unassessed_rows_are_in_no_mean_and_the_mean_is_the_rate(odd: Source, folder: Path):
    for arm, log in paired(odd, folder):
        if arm.key.goal is None:
            continue
        assert log.samples
        assert log.results
        values = [sample.scores["asr"].as_float() for sample in log.samples if sample.scores]
        scored = [value for value in values if not math.isnan(value)]
        (score,) = log.results.scores
        assert (score.scored_samples, score.unscored_samples) == (
            len(scored),
            arm.sums["unassessed"],
        )
        assert sum(scored) / len(scored) == pytest.approx(arm.sums["asr"][0], abs=1e-6)


def test_a_long_stack_of_defences_fits_a_file_name(odd: Source, tmp_path: Path):
    key = replace(exports.BENIGN, defense="+".join(["safety-prompt"] * 40))
    long = Source(odd.folder, odd.manifest, [handmade.row(0, key)], odd.artifacts)
    save(long, "inspect", ROWS, tmp_path / "logs")
    ((_, log),) = paired(long, tmp_path / "logs")
    assert log.eval.solver == key.defense
    assert len(log.plan.steps) == 40


def test_hostile_pictures_are_in_the_log(run: Path, tmp_path: Path):
    """The run of the report's tests has real PNGs for some of its samples."""
    whole = Source.of(Store.read(run))
    attacked = [row for row in whole.rows if row.key.attack == "pgd"]
    few = [row for row in attacked if row.cell == attacked[0].cell]
    source = Source(whole.folder, whole.manifest, few, whole.artifacts)
    save(source, "inspect", ROWS, tmp_path / "logs")
    ((_, log),) = paired(source, tmp_path / "logs")
    kinds = Counter(_picture(sample, row, source) for sample, row in sampled(few, log))
    assert kinds == {"picture": 9, "digest": 15}
    save(source, "inspect", Options("rows", images=False), tmp_path / "bare")
    ((_, bare),) = paired(source, tmp_path / "bare")
    assert {_picture(sample, row, source) for sample, row in sampled(few, bare)} == {"digest"}
    assert bare.eval.viewer
    assert bare.eval.viewer.trust_content is False


def _picture(sample: EvalSample, row: Row, source: Source) -> str:
    assert not isinstance(sample.input, str)
    content = sample.input[0].content[0]
    if isinstance(content, ContentText):
        assert content.text == f"[image {row.hostile_images[0]}]"
        return "digest"
    assert isinstance(content, ContentImage)
    head, _, data = content.image.partition(",")
    assert head == "data:image/png;base64"
    shown = Image.open(io.BytesIO(base64.b64decode(data)))
    saved = Image.open(source.artifacts.path(row.hostile_images[0]))
    assert shown.tobytes() == saved.tobytes()
    return "picture"


def test_the_viewer_lists_the_logs(odd: Source, folder: Path, tmp_path: Path):
    """`inspect view` really starts, on this machine alone, and is ended by its process id."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [Path(sys.executable).with_name("inspect"), "view", "start", "--port", str(port)]
    homes = {name: str(tmp_path) for name in ("HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME")}
    with (tmp_path / "log").open("wb") as told:
        server = subprocess.Popen(
            [*command, "--log-dir", str(folder)],
            stdout=told,
            stderr=told,
            env={**os.environ, **homes},
        )
        try:
            listed = json.loads(_page(f"http://127.0.0.1:{port}/api/logs", server))
            ids = {one["task_id"] for one in listed["files"]}
            assert ids == {arm.digest for arm in odd.arms}
            name = listed["files"][0]["name"]
            shown = json.loads(_page(f"http://127.0.0.1:{port}/api/logs/{name}", server))
            assert shown["eval"]["task_id"] in ids
        finally:
            server.terminate()
            server.wait(timeout=20)


def _page(address: str, server: subprocess.Popen[bytes]) -> bytes:
    """The page, once the server answers; loading all of inspect takes it some seconds."""
    until = time.monotonic() + 120
    while True:
        try:
            with urlopen(address, timeout=30) as page:
                return page.read()
        except URLError:
            assert server.poll() is None, "the viewer ended by itself"
            assert time.monotonic() < until
            time.sleep(0.5)
