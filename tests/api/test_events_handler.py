"""GET /api/v1/events over a real connection."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import httpx
import orjson
import pytest
import uvicorn
from fastapi import FastAPI

from api.dependencies import get_caller, get_event_stream
from api.handlers import events
from api.problems import add_problem_handlers
from api.services.authentication import Caller
from api.services.event_stream import EventStream
from api.services.topics import ensure_topics
from kafkaml.config import KafkaSettings
from kafkaml.schemas.tokens import Scope
from tests.api.event_publishing import EventPublisher, progressed, publishing, stopped

TIMEOUT = 20.0
PATH = "/api/v1/events"


@pytest.fixture
async def settings(kafka_bootstrap: str, topic_name: Callable[[str], str]) -> KafkaSettings:
    settings = KafkaSettings(
        bootstrap_servers=kafka_bootstrap, events_topic=topic_name("events")
    )
    await ensure_topics(settings, [settings.events_topic])
    return settings


@pytest.fixture
async def publisher(settings: KafkaSettings) -> AsyncIterator[EventPublisher]:
    async with publishing(settings) as publisher:
        yield publisher


@pytest.fixture
async def stream(settings: KafkaSettings) -> AsyncIterator[EventStream]:
    stream = EventStream(kafka=settings)
    await stream.start()
    yield stream
    await asyncio.wait_for(stream.stop(), TIMEOUT)


@pytest.fixture
def app(stream: EventStream) -> FastAPI:
    app = FastAPI()
    app.include_router(events.router, prefix="/api/v1")
    app.dependency_overrides[get_event_stream] = lambda: stream
    app.dependency_overrides[get_caller] = lambda: Caller(1, Scope.VIEWER)
    add_problem_handlers(app)
    return app


@pytest.fixture
async def server(app: FastAPI, stream: EventStream) -> AsyncIterator[uvicorn.Server]:
    config = uvicorn.Config(app, port=0, log_level="warning", lifespan="off")
    server = uvicorn.Server(config)
    task = asyncio.create_task(server.serve())
    async with asyncio.timeout(TIMEOUT):
        while True:
            if server.started:
                break
            await asyncio.sleep(0.01)
    yield server
    stream.end_streams()
    server.should_exit = True
    await asyncio.wait_for(task, TIMEOUT)


@pytest.fixture
async def client(server: uvicorn.Server) -> AsyncIterator[httpx.AsyncClient]:
    port = server.servers[0].sockets[0].getsockname()[1]
    async with httpx.AsyncClient(
        base_url=f"http://127.0.0.1:{port}", timeout=TIMEOUT
    ) as client:
        yield client


Message = dict[str, str]


@asynccontextmanager
async def messages(
    client: httpx.AsyncClient, *, query: str = "", last_event_id: str | None = None
) -> AsyncIterator[AsyncIterator[Message]]:
    headers = {} if last_event_id is None else {"Last-Event-ID": last_event_id}
    async with client.stream("GET", PATH + query, headers=headers) as response:
        assert response.status_code == 200
        assert response.headers["content-type"].startswith("text/event-stream")
        yield _parse(response.aiter_lines())


async def _parse(lines: AsyncIterator[str]) -> AsyncIterator[Message]:
    message: Message = {}
    async for line in lines:
        if line:
            name, _, value = line.partition(": ")
            message[name] = value
        else:
            yield message
            message = {}


async def next_with_id(received: AsyncIterator[Message]) -> Message:
    async with asyncio.timeout(TIMEOUT):
        while True:
            message = await anext(received)
            if "id" in message:
                return message


async def test_events_are_sent_as_they_happen(
    client: httpx.AsyncClient, publisher: EventPublisher
) -> None:
    async with messages(client) as received:
        hello = await anext(received)
        assert hello == {"": "connected", "retry": "2000"}
        assert (await next_with_id(received)).keys() == {"id"}
        await publisher.publish(stopped(3))

        message = await next_with_id(received)

    assert message["event"] == "training.stopped"
    event = orjson.loads(message["data"])
    assert event["subject"] == "trainings/3"
    assert event["data"]["id"] == 3


async def test_a_stream_is_filtered_and_resumed(
    client: httpx.AsyncClient, publisher: EventPublisher
) -> None:
    query = "?subject=trainings/1&subject=trainings/2&type=training.progressed"
    async with messages(client, query=query) as received:
        start = await next_with_id(received)
    await publisher.publish(
        progressed(1, 1), stopped(1), progressed(3, 1), progressed(2, 1), progressed(1, 2)
    )

    async with messages(client, query=query, last_event_id=start["id"]) as received:
        first = await next_with_id(received)
        second = await next_with_id(received)
    async with messages(client, query=query, last_event_id=second["id"]) as received:
        third = await next_with_id(received)

    subjects = [orjson.loads(each["data"])["subject"] for each in (first, second, third)]
    assert subjects == ["trainings/1", "trainings/2", "trainings/1"]


@pytest.mark.parametrize(
    ("query", "last_event_id", "code"),
    [
        ("", "nonsense", "bad-cursor"),
        ("", "0-1' OR 1=1", "bad-cursor"),
        ("?type=training.exploded", None, "validation-failed"),
        ("?subject=../etc", None, "validation-failed"),
        ("?" + "&".join(["subject=trainings/1"] * 101), None, "validation-failed"),
    ],
)
async def test_what_is_wrong_is_answered_at_once(
    client: httpx.AsyncClient, query: str, last_event_id: str | None, code: str
) -> None:
    headers = {} if last_event_id is None else {"Last-Event-ID": last_event_id}

    response = await client.get(PATH + query, headers=headers)

    assert response.status_code == 422
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["type"] == f"urn:kafka-ml:problem:{code}"


async def test_a_client_that_goes_is_forgotten(
    client: httpx.AsyncClient, stream: EventStream
) -> None:
    async with messages(client) as received:
        await next_with_id(received)
        assert len(stream._subscriptions) == 1

    async with asyncio.timeout(TIMEOUT):
        while True:
            if not stream._subscriptions:
                return
            await asyncio.sleep(0.05)


async def test_open_streams_end_when_the_server_shuts_down(
    client: httpx.AsyncClient, server: uvicorn.Server, stream: EventStream
) -> None:
    async with messages(client) as received:
        await next_with_id(received)
        server.should_exit = True
        stream.end_streams()

        async with asyncio.timeout(2):
            assert [each async for each in received] == []
