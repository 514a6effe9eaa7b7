"""A loopback web server for tests: a search engine that answers as DuckDuckGo's HTML page does, and pages.

It runs in a thread. `answer` decides what a search gives; `pages` maps a path to (status, headers, body). Requests are kept.
"""

import threading
from collections.abc import Callable
from html import escape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self
from urllib.parse import parse_qs

Answer = Callable[[str], tuple[int, str]]
"""Query -> status and HTML."""
Page = tuple[int, dict[str, str], bytes]


def result_page(*results: tuple[str, str, str]) -> tuple[int, str]:
    """A page of (title, link, snippet)."""
    rows = (
        f'<div class="links_main result__body"><h2>{escape(title)}</h2><a href="{escape(link)}">{escape(body)}</a></div>'
        for title, link, body in results
    )
    return 200, f"<html><body>{''.join(rows)}</body></html>"


ANTS = result_page(
    ("Ant - Encyclopedia", "https://ants.example.org/ant", "Ants are insects with six legs."),
    ("Bee - Encyclopedia", "https://bees.example.org/bee", "Bees have six legs too."),
)
EMPTY = result_page()
LIMITED = (202, "<html><body>anomaly</body></html>")


class LoopbackWeb:
    """One server; `search_url` is its search page, `url` its root."""

    def __init__(self) -> None:
        self.queries: list[str] = []
        self.paths: list[str] = []
        self.answer: Answer = lambda query: ANTS
        self.pages: dict[str, Page] = {}
        web = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                query = parse_qs(body.decode())["q"][0]
                web.queries.append(query)
                status, html = web.answer(query)
                self._reply(status, {"Content-Type": "text/html; charset=utf-8"}, html.encode())

            def do_GET(self) -> None:
                web.paths.append(self.path)
                self._reply(*web.pages.get(self.path, (404, {"Content-Type": "text/plain"}, b"")))

            def _reply(self, status: int, headers: dict[str, str], body: bytes) -> None:
                try:
                    self.send_response(status)
                    for name, value in {"Content-Length": str(len(body)), **headers}.items():
                        self.send_header(name, value)
                    self.end_headers()
                    self.wfile.write(body)
                except ConnectionError:
                    self.close_connection = True  # the client gave up, as some tests want it to

            def log_message(self, *args: object) -> None:
                """Say nothing: the requests are kept."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)

    @property
    def port(self) -> int:
        return self._server.server_address[1]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def search_url(self) -> str:
        return f"{self.url}/html/"
