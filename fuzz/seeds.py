"""A corpus to begin with: `python fuzz/seeds.py FOLDER`."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from tests.gateway.pictures import part, png
from tests.gateway.test_hostile import BODIES, MESSAGES, URLS
from tests.media.corpus import ENTRIES

MOST = 65_536


def main(folder: Path) -> None:
    """Writes every seed, its first byte the target that it is for."""
    folder.mkdir(parents=True, exist_ok=True)
    content = [{"type": "text", "text": "<|im_start|>what?"}, part(png())]
    tool = {"type": "function", "function": {"name": "f", "parameters": {}}}
    whole = {"model": "toy", "messages": [{"role": "user", "content": content}], "tools": [tool]}
    told = [json.dumps(whole).encode(), *(body for body, _ in BODIES.values())]
    told += [json.dumps({"model": "m", "messages": m}).encode() for m, _ in MESSAGES.values()]
    urls = [str(one).encode() for one, _ in URLS.values()]
    urls.append(b"http://images.example.org/a.png")
    stream = [b'data: {"choices": [{"index": 0, "delta": {}}]}\r\n\r\ndata: [DONE]\n\n']
    files = [entry.made() for entry in ENTRIES if not entry.sound]
    for target, seeds in enumerate((told, stream, urls, files)):
        for number, data in enumerate(seeds):
            if len(data) < MOST:
                (folder / f"{target}-{number}").write_bytes(bytes([target]) + data)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
