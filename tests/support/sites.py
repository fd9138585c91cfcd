"""A web server on this machine, whose files come as a test wants them to."""

from __future__ import annotations

import gzip
import hashlib
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from lstm_bench import DataFile


@dataclass
class Page:
    """How a path is answered.

    Attributes:
        content: of the whole.
        status: of the answer, but for a part.
        reason: beside the status; the usual one if empty.
        kind: content type.
        ranges: whether it can go on in the middle.
        length: whether it says how long it is.
        breaks: after so many bytes the connection breaks off, one for each time that it is asked.
        held: waited for in place of breaking off, before the rest is sent.
        endless: whether the rest never ends.
        shift: by which a part is another one than was asked for.
    """

    content: bytes = b""
    status: int = 200
    reason: str = ""
    kind: str = "application/octet-stream"
    ranges: bool = True
    length: bool = True
    breaks: list[int] = field(default_factory=list)
    held: threading.Event | None = None
    endless: bool = False
    shift: int = 0


class Site:
    """Pages by path, and what was asked for: the path, and from which byte on."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.pages: dict[str, Page] = {}
        self.asked: list[tuple[str, int]] = []

    def put(self, path: str, content: bytes = b"", **how: Any) -> str:
        """Serve it from now on; its address."""
        self.pages[path] = Page(content, **how)
        return f"{self.url}/{path}"


def a_data_file(content: bytes, *urls: str, name: str = "numbers", **changes: Any) -> DataFile:
    given = {"folder": "some", "size": len(content), "sha256": hashlib.sha256(content).hexdigest(), "urls": urls}
    return DataFile(name=name, **given | changes)


@contextmanager
def serving() -> Iterator[Site]:
    """A site while it is up."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = self.path.lstrip("/")
            asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
            site.asked.append((path, int(asked[1]) if asked else 0))
            answer(self, site.pages.get(path, Page(b"nothing here", status=404)), int(asked[1]) if asked else 0)

        def log_message(self, *_: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = False  # so that closing it waits for what is under way

        def handle_error(self, *_: object) -> None:
            pass  # who was being answered is gone

    with Server(("127.0.0.1", 0), Handler) as server:
        site = Site(f"http://127.0.0.1:{server.server_port}")
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield site
        finally:
            for page in site.pages.values():
                if page.held is not None:
                    page.held.set()
            server.shutdown()
            thread.join()


def answer(handler: BaseHTTPRequestHandler, page: Page, begin: int) -> None:
    partial = begin > 0 and page.ranges and page.status == 200
    if partial and begin >= len(page.content):
        handler.send_response(416)
        handler.send_header("Content-Length", "0")
        handler.end_headers()
        return
    body = page.content[begin:] if partial else page.content
    handler.send_response(206 if partial else page.status, page.reason or None)
    if partial:
        handler.send_header("Content-Range", f"bytes {begin + page.shift}-{len(page.content) - 1}/{len(page.content)}")
    handler.send_header("Content-Type", page.kind)
    if page.length:
        handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.close_connection = True
    if page.breaks:
        first = page.breaks.pop(0)
        handler.wfile.write(body[:first])
        if page.held is None:
            return
        page.held.wait()
        body = body[first:]
    handler.wfile.write(body)
    while page.endless:
        handler.wfile.write(bytes(2**16))


def squeezed(content: bytes) -> bytes:
    return gzip.compress(content, mtime=0)
