"""The viewer's server and its index, without a browser."""

from __future__ import annotations

import gzip
import http.client
import json
import shutil
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from sallet.cli.main import run as sallet
from sallet.core.errors import StoreError
from sallet.report.view.index import Index, Wanted
from sallet.report.view.server import Shelf, wanted
from tests.report.browser import served


def get(url: str, path: str, host: str | None = None, method: str = "GET"):
    where = urlsplit(url)
    connection = http.client.HTTPConnection(where.hostname or "", where.port, timeout=10)
    connection.request(method, path, headers={"Host": where.netloc if host is None else host})
    reply = connection.getresponse()
    body = reply.read()
    connection.close()
    return reply, body


def test_only_the_run_is_served_and_only_to_its_own_name(run: Path):
    (run.parent / "secret.png").write_bytes(b"secret")
    with served(run) as url:
        reply, body = get(url, "/")
        assert reply.status == 200
        assert b"default-src 'none'" in body
        assert get(url, "/", host="evil.example:80")[0].status == 403
        assert get(url, "/", host="")[0].status == 403
        for path in (
            "/artifacts/../secret.png", "/artifacts/..%2fsecret.png", "/rows.jsonl",
            "/manifest.json", "/api/rows/99999999", "/api/rows/-1", "//etc/passwd",
        ):  # fmt: skip
            assert get(url, path)[0].status == 404, path
        assert get(url, "/", method="POST")[0].status == 501
        digest = next((run / "artifacts").glob("*.png")).stem
        reply, body = get(url, f"/artifacts/{digest}.png")
        assert reply.getheader("Content-Type") == "image/png"
        assert body.startswith(b"\x89PNG")
        assert get(url, "/report")[0].status == 200


def test_rows_are_found_by_words_facets_and_order(run: Path):
    index = Shelf(run).index
    whole = index.page(Wanted())
    assert whole["found"] == whole["total"] == len(index.rows)
    jpeg = index.page(Wanted(words=("jpeg",), count=200))
    assert {row["defense"] for row in jpeg["rows"]} == {"jpeg"}
    both = index.page(Wanted(facets=(("defense", "jpeg"), ("outcome", "success"))))
    assert both["found"] == sum(
        row["defense"] == "jpeg" and row["outcome"] == "success" for row in index.rows
    )
    assert index.page(Wanted(facets=(("defense", "nothing"),)))["found"] == 0
    slow = index.page(Wanted(sort="seconds", down=True, count=5))["rows"]
    assert slow[0]["seconds"] == max(row["seconds"] for row in index.rows)
    differ = index.page(Wanted(only="differs", count=200))
    assert differ["found"] > 0
    assert all(row["second_outcome"] != row["outcome"] for row in differ["rows"])
    windows = [index.page(Wanted(start=s, count=7))["rows"] for s in (0, 7)]
    assert [r["number"] for r in windows[0] + windows[1]] == list(range(14))
    assert set(index.facets) >= {"outcome", "defense", "attack"}


@pytest.mark.parametrize(
    "query", ["start=-1", "start=x&count=", "sort=key&down=2", "only=x&q=%ff", "count=" + "9" * 30]
)
def test_a_url_that_means_nothing_is_no_error(query: str, run: Path):
    page = Shelf(run).index.page(wanted(query))
    assert len(page["rows"]) <= 200


def test_damaged_lines_are_counted(run: Path):
    line = (run / "rows.jsonl").read_text(encoding="utf-8").splitlines()[0]
    odd = json.dumps({**json.loads(line), "answer": "a\u2028b"}, ensure_ascii=False)
    index = Index([line, line[:50], "{}", "", "[1]", odd])
    assert (len(index.rows), index.unread) == (2, 3)


def test_a_packed_run_and_one_that_grows(run: Path, tmp_path: Path):
    lines = (run / "rows.jsonl").read_bytes()
    (tmp_path / "packed").mkdir()
    (tmp_path / "packed" / "rows.jsonl.gz").write_bytes(gzip.compress(lines))
    shelf = Shelf(tmp_path / "packed")
    assert len(shelf.index.rows) == len(Shelf(run).index.rows)
    (tmp_path / "packed" / "rows.jsonl.gz").write_bytes(gzip.compress(lines + lines))
    assert len(shelf.index.rows) == 2 * len(Shelf(run).index.rows)
    with pytest.raises(StoreError, match="not a run folder"):
        Shelf(tmp_path)


def test_a_row_brings_what_its_defence_made_of_its_picture(run: Path, tmp_path: Path):
    kept = [json.loads(line) for line in (run / "rows.jsonl").read_text().splitlines()]
    number, row = next(
        (i, r) for i, r in enumerate(kept) if r["hostile_images"] != r["clean_images"]
    )
    shutil.copytree(run, tmp_path / "run")
    assert "purified" not in (Shelf(tmp_path / "run").row(number) or {})
    made = tmp_path / "run/artifacts/purified" / f"{row['hostile_images'][0]}-{row['cell']}.png"
    made.parent.mkdir(exist_ok=True)
    shutil.copy(next((run / "artifacts").glob("*.png")), made)
    with served(tmp_path / "run") as url:
        name, which = json.loads(get(url, f"/api/rows/{number}")[1])["purified"]
        assert which == 0
        assert get(url, f"/artifacts/{name}.png")[1] == made.read_bytes()
        assert get(url, "/artifacts/purified/../../secret.png")[0].status == 404


def test_the_command_needs_a_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert sallet(["view", str(tmp_path)]) == 2
    assert "is not a run folder" in capsys.readouterr().err
