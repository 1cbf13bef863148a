from contextlib import aclosing

import httpx
import pytest

from kafkaml.events import TrainingProgressed, UnknownEvent
from kafkaml.exceptions import ApiUnavailableError, ClientError, ProblemError
from tests.kafkaml.client._async.conftest import Connect
from tests.kafkaml.client.conftest import Serve
from tests.kafkaml.client.event_server import COUNT, EventServer
from tests.kafkaml.client.fake_api import FakeApi, refusal

URL = "http://api.test"

UNKNOWN = (
    b'id: 5\nevent: training.painted\ndata: {"specversion":"1.0","source":"/x",'
    b'"id":"7b5e3a34-5f0c-4a86-8c7e-2f9c6a3c1d11","type":"training.painted",'
    b'"subject":"trainings/1","time":"2025-01-01T00:00:00+00:00","data":{"id":1}}\n\n'
)


def stream(content: bytes) -> httpx.Response:
    return httpx.Response(
        200, content=content, headers={"Content-Type": "text/event-stream"}
    )


async def test_a_lost_stream_goes_on_without_a_gap_or_a_double(
    connect: Connect, serve: Serve
) -> None:
    server = EventServer()
    seen = []
    client = connect(serve(server.app()))
    subjects = ["trainings/1", "trainings/2"]
    async with aclosing(client.events.watch(subject=subjects)) as events:
        async for watched in events:
            assert isinstance(watched.event.data, TrainingProgressed)
            seen.append((watched.cursor, watched.event.data.epoch))
            if len(seen) == COUNT:
                break
    assert seen == [(str(number), number) for number in range(1, COUNT + 1)]
    assert server.resumed_after == [None, "3", "6"]
    assert server.subjects == subjects


async def test_a_watch_goes_on_where_an_earlier_one_was(
    connect: Connect, serve: Serve
) -> None:
    server = EventServer()
    client = connect(serve(server.app()))
    watching = client.events.watch(subject="trainings/1", last_event_id="8")
    async with aclosing(watching) as events:
        assert (await anext(events)).cursor == "9"
    assert server.resumed_after == ["8"]


async def test_events_are_chosen_by_the_api(connect: Connect) -> None:
    api = FakeApi(stream(UNKNOWN))
    client = connect(URL, transport=api)
    watching = client.events.watch(subject="trainings/1", type=["a", "b"])
    async with aclosing(watching) as events:
        watched = await anext(events)
    assert api.last.url.query == b"subject=trainings%2F1&type=a&type=b"
    assert api.last.headers["Accept"] == "text/event-stream"
    assert "Last-Event-ID" not in api.last.headers
    assert watched.event.type == "training.painted"
    assert isinstance(watched.event.data, UnknownEvent)


async def test_a_refused_watch_ends(connect: Connect) -> None:
    api = FakeApi(stream(UNKNOWN), refusal("bad-cursor", 422))
    client = connect(URL, transport=api)
    events = client.events.watch()
    await anext(events)
    with pytest.raises(ProblemError, match="Not now"):
        await anext(events)
    assert api.last.headers["Last-Event-ID"] == "5"


async def test_a_watch_survives_an_api_that_restarts(connect: Connect) -> None:
    api = FakeApi(
        httpx.ConnectError("refused"),
        refusal("unavailable", 503),
        httpx.ReadTimeout("silent"),
        stream(UNKNOWN),
    )
    client = connect(URL, transport=api)
    async with aclosing(client.events.watch()) as events:
        assert (await anext(events)).cursor == "5"


async def test_a_watch_that_was_cut_before_the_first_event_misses_none(
    connect: Connect,
) -> None:
    api = FakeApi(stream(b"id: 3\n\n"), stream(UNKNOWN))
    client = connect(URL, transport=api)
    async with aclosing(client.events.watch()) as events:
        assert (await anext(events)).cursor == "5"
    assert api.last.headers["Last-Event-ID"] == "3"


async def test_a_watch_of_an_api_that_stays_away_ends(connect: Connect) -> None:
    api = FakeApi(*[stream(b"") for _ in range(50)])
    client = connect(URL, transport=api, retry_for=0.5)
    with pytest.raises(ApiUnavailableError, match="ended"):
        await anext(client.events.watch())


async def test_a_stream_of_something_else_is_explained(connect: Connect) -> None:
    api = FakeApi(stream(b"data: hello\n\n"))
    client = connect(URL, transport=api)
    with pytest.raises(ClientError, match="something else"):
        await anext(client.events.watch())
