"""An API that only records datasources, and can be away or refuse."""

import asyncio
from base64 import b64decode
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import uvicorn
from fastapi import FastAPI, Response
from fastapi.responses import JSONResponse

from kafkaml.schemas.datasources import Datasource, DatasourceRecord
from kafkaml.schemas.problems import PROBLEM_TYPE_PREFIX, Problem
from kafkaml.schemas.states import DatasourceState

Place = tuple[str, int, int]


class FakeApi:
    """Keeps what was posted, in order, repeats included."""

    def __init__(self) -> None:
        self.posted: list[DatasourceRecord] = []
        self.answered = asyncio.Event()
        self.is_away = False
        self.refuses: Callable[[DatasourceRecord], bool] = lambda _: False
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def values(self) -> list[bytes | None]:
        return [
            None if each.value is None else b64decode(each.value) for each in self.posted
        ]

    async def record(self, body: DatasourceRecord) -> Response:
        self.answered.set()
        if self.is_away:
            return _problem("unavailable", 503)
        if self.refuses(body):
            return _problem("body-too-large", 413)
        known = any(_place(body) == _place(each) for each in self.posted)
        self.posted.append(body)
        datasource = Datasource(
            id=len(self.posted),
            state=DatasourceState.RECORDED,
            deployment_id=1,
            control=None,
            topic=body.topic,
            partition=body.partition,
            offset=body.offset,
            announced_at=datetime.now(UTC),
            created_at=datetime.now(UTC),
        )
        return Response(
            datasource.model_dump_json(),
            status_code=200 if known else 201,
            media_type="application/json",
        )

    @asynccontextmanager
    async def serve(self) -> AsyncIterator[None]:
        app = FastAPI()
        app.post("/api/v1/datasources")(self.record)
        config = uvicorn.Config(app, port=0, log_level="error", lifespan="off")
        server = uvicorn.Server(config)
        task = asyncio.create_task(server.serve())
        while not server.started:
            await asyncio.sleep(0.01)
        self.port = server.servers[0].sockets[0].getsockname()[1]
        try:
            yield
        finally:
            server.should_exit = True
            await task


def _place(record: DatasourceRecord) -> Place:
    return record.topic, record.partition, record.offset


def _problem(code: str, status: int) -> Response:
    problem = Problem(
        type=PROBLEM_TYPE_PREFIX + code, title="No", status=status, detail="not this time"
    )
    return JSONResponse(
        problem.model_dump(), status_code=status, media_type="application/problem+json"
    )
