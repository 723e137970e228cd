"""What is measured of a server that is slower than the time it is measured for."""

import http.server
import threading
from collections.abc import Iterator

import pytest

from bench import load
from bench.errors import BenchError
from bench.processes import Server

BLOB = bytes(100_000)


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/blob" else 404)
        self.send_header("Content-Length", str(len(BLOB)))
        self.end_headers()
        self.wfile.write(BLOB)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name in the library
        """Say nothing."""


@pytest.fixture
def server() -> Iterator[Server]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as opened:
        serving = threading.Thread(target=opened.serve_forever)
        serving.start()
        try:
            yield Server("a server", f"http://127.0.0.1:{opened.server_port}", 0)
        finally:
            opened.shutdown()
            serving.join()


def test_a_download_is_measured_until_something_has_come(server: Server) -> None:
    measured = load.downloads(server, "/blob", {}, len(BLOB), streams=2, seconds=0)
    assert measured.carried > 0


def test_a_download_that_fails_before_anything_has_come_ends(server: Server) -> None:
    with pytest.raises(BenchError, match="not the answer that was to be measured"):
        load.downloads(server, "/nothing", {}, len(BLOB), streams=2, seconds=0)
