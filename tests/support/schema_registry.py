"""A schema registry in this process: what is used of Confluent's HTTP interface."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote


class Registry:
    """What it knows, whom it lets in, and how it is disturbed."""

    def __init__(self) -> None:
        self.schemas: dict[int, dict[str, Any]] = {}
        self.subjects: dict[str, list[int]] = {}
        self.asked: list[str] = []
        self.failures = 0
        self.authorization: str | None = None
        self.url = ""

    def add(self, schema: Any, **more: Any) -> int:
        """Return the id of a schema, the same for the same text."""
        text = schema if isinstance(schema, str) else json.dumps(schema)
        entry = {"schema": text, **more}
        for known, each in self.schemas.items():
            if each == entry:
                return known
        self.schemas[len(self.schemas) + 1] = entry
        return len(self.schemas)


class _Handler(BaseHTTPRequestHandler):
    registry: Registry

    def do_GET(self) -> None:
        if not self._is_fine():
            return
        found = self.registry.schemas.get(int(self.path.rpartition("/")[2]))
        if self.path.startswith("/schemas/ids/") and found is not None:
            self._answer(200, found)
        else:
            self._answer(404, {"error_code": 40403, "message": "Schema not found"})

    def do_POST(self) -> None:
        if not self._is_fine():
            return
        length = int(self.headers["Content-Length"])
        content = json.loads(self.rfile.read(length))
        subject = unquote(self.path.split("/")[2])
        if "bad" in content["schema"]:
            self._answer(422, {"error_code": 42201, "message": "Invalid schema"})
            return
        number = self.registry.add(content["schema"])
        self.registry.subjects.setdefault(subject, []).append(number)
        self._answer(200, {"id": number})

    def _is_fine(self) -> bool:
        registry = self.registry
        registry.asked.append(self.path)
        if registry.failures:
            registry.failures -= 1
            self._answer(500, {"error_code": 50001, "message": "no store"})
            return False
        if registry.authorization not in {None, self.headers["Authorization"]}:
            self._answer(401, {"error_code": 401, "message": "Unauthorized"})
            return False
        return True

    def _answer(self, status: int, content: dict[str, Any]) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/vnd.schemaregistry.v1+json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        pass


@contextmanager
def schema_registry() -> Iterator[Registry]:
    """Run a registry at a free port."""
    registry = Registry()
    handler = type("Handler", (_Handler,), {"registry": registry})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    registry.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield registry
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
