"""A replica of an inference, as far as the API speaks with it."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

KEY = "k" * 43


class Replica(ThreadingHTTPServer):
    """Answers every record by its name, or as it is told."""

    daemon_threads = True

    def __init__(self, name: str) -> None:
        self.name = name
        self.status = 200
        self.error = "told to"
        self.asked: list[Any] = []
        super().__init__(("127.0.0.1", 0), _Handler)

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: Replica
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.asked.append((self.path, self.headers["Authorization"], body))
        content: Any = {"error": self.server.error}
        if self.server.status == 200:
            records = body.get("records") or body["base64"]
            content = {
                "answers": [{"label": self.server.name, "score": 1} for _ in records]
            }
        answer = json.dumps(content).encode()
        self.send_response(self.server.status)
        if self.server.status == 302:
            self.send_header("Location", f"http://{self.server.address}/records")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def replica(name: str = "one") -> Iterator[Replica]:
    """Run a replica meanwhile."""
    with Replica(name) as server:
        thread = threading.Thread(
            target=server.serve_forever, kwargs={"poll_interval": 0.02}
        )
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join(timeout=10)
