"""HTTP probes and metrics, for Kubernetes and Prometheus."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from prometheus_client import generate_latest

from inferencer.health import Health
from inferencer.metrics import Metrics

Answer = Callable[[str], tuple[HTTPStatus, bytes]]


@contextmanager
def probe_server(
    *, port: int | None, health: Health, metrics: Metrics
) -> Iterator[int | None]:
    """Answer /healthz, /readyz and /metrics on `port` meanwhile; 0 takes a free one.

    Yield the port, or None where there is to be no server.
    """
    if port is None:
        yield None
        return

    handler = partial(_ProbeHandler, partial(_answer, health=health, metrics=metrics))
    with ThreadingHTTPServer(("", port), handler) as server:
        thread = threading.Thread(target=server.serve_forever, name="probes", daemon=True)
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join(timeout=5)


class _ProbeHandler(BaseHTTPRequestHandler):
    timeout = 10

    def __init__(self, answer: Answer, *arguments: Any) -> None:
        self._answer = answer
        super().__init__(*arguments)  # which handles the request

    def do_GET(self) -> None:
        status, body = self._answer(self.path.partition("?")[0])
        self.send_response(status)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_arguments: object) -> None:
        """Log nothing: probes come every few seconds."""


def _answer(path: str, *, health: Health, metrics: Metrics) -> tuple[HTTPStatus, bytes]:
    match path:
        case "/healthz" if health.is_alive:
            return HTTPStatus.OK, b"the loop turns\n"
        case "/healthz":
            return HTTPStatus.SERVICE_UNAVAILABLE, b"the loop is stuck\n"
        case "/readyz":
            trouble = health.trouble
            if trouble is None:
                return HTTPStatus.OK, b"serving\n"
            return HTTPStatus.SERVICE_UNAVAILABLE, trouble.encode() + b"\n"
        case "/metrics":
            return HTTPStatus.OK, generate_latest(metrics.registry)
    return HTTPStatus.NOT_FOUND, b"there are /healthz, /readyz and /metrics\n"
