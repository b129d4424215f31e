"""A real Chromium, driven by Playwright; every test that needs it is skipped where it is not."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")


@contextmanager
def browser() -> Iterator[Any]:
    """The browser, or a skip that says what is missing."""
    if CHROMIUM is None:
        pytest.skip("no chromium here")
    api = pytest.importorskip("playwright.sync_api", reason="no playwright here")
    with api.sync_playwright() as play:
        shown = play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        try:
            yield shown
        finally:
            shown.close()


class Watched:
    """A page that keeps every complaint and every request."""

    def __init__(self, shown: Any, **context: Any) -> None:
        self.context = shown.new_context(**context)
        self.page = self.context.new_page()
        self.complaints: list[str] = []
        self.requests: list[str] = []
        self.page.on("console", self._heard)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", lambda request: self.requests.append(request.url))

    def _heard(self, message: Any) -> None:
        if message.type == "error":
            self.complaints.append(message.text)

    def until(self, expression: str, seconds: float = 20) -> None:
        """Waits for an expression to be true; the pages let no text be evaluated by themselves."""
        end = time.monotonic() + seconds
        while not self.page.evaluate(expression):
            assert time.monotonic() < end, expression
            self.page.wait_for_timeout(20)

    def close(self) -> None:
        self.context.close()


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """The address of `sallet view` of a folder, in a thread of this process."""
    from sallet.report.view.server import serve

    server = serve(folder)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
