"""An application that takes and gives artifacts, well or badly."""

import hashlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse

from kafkaml.client._files import DIGEST_HEADER
from tests.kafkaml.client.examples import problem

CONTENT = bytes(range(256)) * 20_000
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@dataclass
class ArtifactServer:
    """Cuts the first `cuts` downloads in the middle; refuses uploads with `refuse`."""

    cuts: int = 0
    sha256: str = SHA256
    refuse: int | None = None
    refusals: int = 10
    uploads: list[tuple[str, int, bytes]] = field(default_factory=list)
    downloads: int = 0
    formats: list[str | None] = field(default_factory=list)

    def app(self) -> FastAPI:
        app = FastAPI()
        for noun in ("artifact", "checkpoint"):
            path = f"/api/v1/attempts/current/{noun}"
            app.add_api_route(path, self._take, methods=["PUT"])
            app.add_api_route(path, self._give)
        path = "/api/v1/attempts/current/artifacts/{artifact_format}"
        app.add_api_route(path, self._take, methods=["PUT"])
        app.add_api_route("/api/v1/trainings/1/artifact", self._give)
        return app

    async def _take(self, request: Request) -> Response:
        if self.refuse and self.refusals:
            self.refusals -= 1
            # Answered before the body is read, as a fast refusal is.
            return JSONResponse(problem("attempt-over", self.refuse), self.refuse)
        content = await request.body()
        announced = request.headers[DIGEST_HEADER]
        self.uploads.append((announced, int(request.headers["content-length"]), content))
        return JSONResponse({"size_bytes": len(content), "sha256": announced}, 201)

    def _give(self, request: Request) -> StreamingResponse:
        self.downloads += 1
        self.formats.append(request.query_params.get("format"))
        return StreamingResponse(
            self._blocks(is_cut=self.downloads <= self.cuts),
            headers={"Content-Length": str(len(CONTENT)), DIGEST_HEADER: self.sha256},
        )

    @staticmethod
    async def _blocks(*, is_cut: bool) -> AsyncIterator[bytes]:
        half = len(CONTENT) // 2
        yield CONTENT[:half]
        if is_cut:
            raise ConnectionAbortedError
        yield CONTENT[half:]
