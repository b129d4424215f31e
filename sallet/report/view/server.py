"""`sallet view`: a run's folder on this machine's own address, and nothing else of the disk.

Only GET, only from this machine, only under the name that it was opened by (another site's page
cannot reach it by a name of its own), only the page, the report, rows and their images.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import re
import threading
from functools import cached_property
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

from sallet.core.errors import WrongFolder
from sallet.report.pictures import first_changed, purified_name
from sallet.report.view.index import FACETS, Index, Wanted

FILES: Final = Path(__file__).parent / "files"
ARTIFACT: Final = re.compile(r"/artifacts/((?:purified/)?[\w-]{1,196})\.png", re.ASCII)
ROW: Final = re.compile(r"/api/rows/(\d{1,9})", re.ASCII)


class Shelf:
    """A run's folder, read when it is first looked at and again when its rows have grown."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.rows = next(
            (p for name in ("rows.jsonl", "rows.jsonl.gz") if (p := folder / name).is_file()), None
        )
        if self.rows is None:
            raise WrongFolder(f"{folder} is not a run folder; it has no rows.jsonl")
        self._lock = threading.Lock()
        self._read: tuple[tuple[int, int], Index] | None = None

    @property
    def index(self) -> Index:
        """Of the rows as they are now."""
        assert self.rows is not None
        state = self.rows.stat()
        stamp = (state.st_size, state.st_mtime_ns)
        with self._lock:
            if self._read is None or self._read[0] != stamp:
                data = self.rows.read_bytes()
                text = gzip.decompress(data) if self.rows.suffix == ".gz" else data
                self._read = (stamp, Index(text.decode("utf-8", "replace").split("\n")))
            return self._read[1]

    def about(self) -> dict[str, Any]:
        """What stands above the rows."""
        index = self.index
        return {
            "name": self.folder.resolve().name,
            "total": len(index.rows),
            "unread": index.unread,
            "facets": index.facets,
            "report": (self.folder / "report.html").is_file(),
        }

    def row(self, number: int) -> dict[str, Any] | None:
        """Everything that a row holds, and what its defence made of its picture where that was
        kept."""
        row = self.index.whole(number)
        hostile: list[str] = (row or {}).get("hostile_images") or []
        if row is None or not hostile:
            return row
        which = first_changed(row.get("clean_images", ()), hostile)
        name = purified_name(hostile[which], row["cell"])
        if not (self.folder / "artifacts" / name).is_file():
            return row
        return {**row, "purified": [name.removesuffix(".png"), which]}

    def artifact(self, name: str) -> bytes | None:
        """The image of this digest, or of this name among the purified ones."""
        path = self.folder / "artifacts" / f"{name}.png"
        return path.read_bytes() if path.is_file() else None

    @cached_property
    def page(self) -> bytes:
        """The viewer, with its own script and style in it."""
        script = (FILES / "view.js").read_text(encoding="utf-8")
        digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
        html = (FILES / "view.html").read_text(encoding="utf-8")
        for name, text in (
            ("%SCRIPT_DIGEST%", digest),
            ("%STYLE%", (FILES / "view.css").read_text(encoding="utf-8")),
            ("%SCRIPT%", script),
        ):
            html = html.replace(name, text)
        return html.encode()


def serve(folder: Path, port: int = 0) -> ThreadingHTTPServer:
    """A server on this machine's own address, not running yet; `server_address` says where."""
    shelf = Shelf(folder)
    threading.Thread(target=lambda: shelf.index, daemon=True).start()  # while the browser starts

    class Handler(_Handler):
        pass

    Handler.shelf = shelf
    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    server.daemon_threads = True
    return server


class _Handler(BaseHTTPRequestHandler):
    shelf: Shelf
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        host = (self.headers.get("Host") or "").rpartition(":")[0]
        if host not in ("127.0.0.1", "localhost"):
            self._send(HTTPStatus.FORBIDDEN, b"open it by 127.0.0.1", "text/plain")
            return
        url = urlsplit(self.path)
        if url.path == "/":
            self._send(HTTPStatus.OK, self.shelf.page, "text/html; charset=utf-8")
        elif url.path == "/report":
            self._file(self.shelf.folder / "report.html", "text/html; charset=utf-8")
        elif url.path == "/api/about":
            self._json(self.shelf.about())
        elif url.path == "/api/rows":
            self._json(self.shelf.index.page(wanted(url.query)))
        elif found := ROW.fullmatch(url.path):
            row = self.shelf.row(int(found[1]))
            self._json(row) if row is not None else self._missing()
        elif found := ARTIFACT.fullmatch(url.path):
            image = self.shelf.artifact(found[1])
            self._send(HTTPStatus.OK, image, "image/png") if image else self._missing()
        else:
            self._missing()

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: the terminal says where the page is, and no more."""

    def _file(self, path: Path, kind: str) -> None:
        self._send(HTTPStatus.OK, path.read_bytes(), kind) if path.is_file() else self._missing()

    def _json(self, value: Any) -> None:
        data = json.dumps(value, ensure_ascii=False).encode("utf-8", "replace")
        self._send(HTTPStatus.OK, data, "application/json; charset=utf-8")

    def _missing(self) -> None:
        self._send(HTTPStatus.NOT_FOUND, b"not here", "text/plain")

    def _send(self, status: HTTPStatus, body: bytes, kind: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Referrer-Policy", "no-referrer")
        self.send_header("Cross-Origin-Resource-Policy", "same-origin")
        self.end_headers()
        self.wfile.write(body)


def wanted(query: str) -> Wanted:
    """What a URL asks for; what it cannot mean is left out."""
    given = {name: values[-1] for name, values in parse_qs(query).items()}
    return Wanted(
        words=tuple(given.get("q", "").casefold().split()),
        facets=tuple((name, given[name]) for name in FACETS if given.get(name)),
        only=given.get("only", ""),
        sort=given.get("sort", "order"),
        down=given.get("down") == "1",
        start=_whole(given.get("start"), 0),
        count=_whole(given.get("count"), 50),
    )


def _whole(text: str | None, default: int) -> int:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 10 else default
