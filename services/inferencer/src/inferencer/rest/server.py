"""The HTTP server of a replica: few threads, small bodies, no waiting without an end."""

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import structlog

from inferencer.rest.messages import HttpAnswer, HttpRequest
from inferencer.rest.routes import Routes

log = structlog.get_logger()

MAX_BODY_BYTES = 16 * 2**20
MAX_CONNECTIONS = 64
# With this many connections none is kept for a further request, so that all get a turn.
BUSY_CONNECTIONS = 48
# Longer than a client keeps an idle connection, which so never meets one that is closed.
SILENCE_SECONDS = 15
BODY_SECONDS = 30
# How soon the server notices that it is to end.
LOOK_SECONDS = 0.1
CHUNK_BYTES = 64 * 2**10


@contextmanager
def http_server(*, host: str, port: int | None, routes: Routes) -> Iterator[int | None]:
    """Answer on `port` meanwhile; 0 takes a free one, and no host means all of them.

    Yield the port, or None where there is to be no server.
    """
    if port is None:
        yield None
        return
    with _Server((host, port), partial(_Handler, routes)) as server:
        thread = threading.Thread(
            target=server.serve_forever,
            kwargs={"poll_interval": LOOK_SECONDS},
            name="http",
            daemon=True,
        )
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join(timeout=5)


class _Server(ThreadingHTTPServer):
    """A thread for each connection, of which there are not too many."""

    request_queue_size = MAX_CONNECTIONS

    def __init__(self, *arguments: Any) -> None:
        self._lock = threading.Lock()
        self._connections = 0
        super().__init__(*arguments)

    @property
    def is_busy(self) -> bool:
        return self._connections > BUSY_CONNECTIONS

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._lock:
            is_full = self._connections >= MAX_CONNECTIONS
            self._connections += not is_full
        if is_full:
            self.shutdown_request(request)
        else:
            super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            with self._lock:
                self._connections -= 1

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002
        log.info(
            "a connection broke", client=str(client_address), error=str(sys.exception())
        )


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    server_version = "kafka-ml"
    sys_version = ""
    timeout = SILENCE_SECONDS
    wbufsize = -1  # an answer is one packet
    disable_nagle_algorithm = True

    def __init__(self, routes: Routes, *arguments: Any) -> None:
        self._routes = routes
        super().__init__(*arguments)  # which handles the requests

    def do_GET(self) -> None:
        self._handle(b"")

    def do_POST(self) -> None:
        refused_body = self._refused_body()
        refusal = self._refusal() or refused_body
        if refusal is not None:
            if refused_body is None:
                # What fits one read, for a client that sends it hears nothing before.
                self._read(min(self._announced(), CHUNK_BYTES))
            self.close_connection = True
            self._write(refusal)
            return
        body = self._read(self._announced())
        if body is None:
            self.close_connection = True
            late = "the body did not arrive in time"
            self._write(HttpAnswer.error(HTTPStatus.REQUEST_TIMEOUT, late))
        else:
            self._handle(body)

    def _handle(self, body: bytes) -> None:
        path = self.path.partition("?")[0]
        self._write(self._refusal() or self._answer(HttpRequest(self.command, path, body)))

    def _answer(self, request: HttpRequest) -> HttpAnswer:
        try:
            return self._routes.answer(request)
        except Exception:
            log.exception("a request broke", path=request.path)
            message = "the replica made a mistake; its log says more"
            return HttpAnswer.error(HTTPStatus.INTERNAL_SERVER_ERROR, message)

    def _refusal(self) -> HttpAnswer | None:
        path = self.path.partition("?")[0]
        return self._routes.refusal(path, self.headers.get("Authorization", ""))

    def _refused_body(self) -> HttpAnswer | None:
        length = self.headers.get("Content-Length", "")
        if not length.isascii() or not length.isdigit():
            message = "the request needs a Content-Length"
            return HttpAnswer.error(HTTPStatus.LENGTH_REQUIRED, message)
        if len(length) > 12 or int(length) > MAX_BODY_BYTES:
            message = f"the body is larger than {MAX_BODY_BYTES} bytes"
            return HttpAnswer.error(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, message)
        return None

    def _announced(self) -> int:
        return int(self.headers["Content-Length"])

    def _read(self, size: int) -> bytes | None:
        """Return the body; None if it did not arrive whole and in time."""
        deadline = time.monotonic() + BODY_SECONDS
        parts: list[bytes] = []
        while size:
            part = self.rfile.read1(min(size, CHUNK_BYTES))
            if not part or time.monotonic() > deadline:
                return None
            parts.append(part)
            size -= len(part)
        return b"".join(parts)

    def _write(self, answer: HttpAnswer) -> None:
        if self.server.is_busy:
            self.close_connection = True
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.content_type)
        self.send_header("Content-Length", str(len(answer.body)))
        for name, value in answer.headers.items():
            self.send_header(name, value)
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(answer.body)

    def send_error(
        self, code: int, message: str | None = None, explain: str | None = None
    ) -> None:
        """Answer a request that HTTP itself refuses in the form of all other errors."""
        status = HTTPStatus(code)
        self.close_connection = True
        self._write(HttpAnswer.error(status, explain or message or status.phrase))

    def log_message(self, *_arguments: object) -> None:
        """Log nothing: probes come every few seconds."""
