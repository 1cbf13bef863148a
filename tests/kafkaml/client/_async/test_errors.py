from datetime import UTC, datetime, timedelta

import httpx
import pytest

from kafkaml.client import AsyncClient
from kafkaml.exceptions import ApiUnavailableError, ClientError, ProblemError
from tests.kafkaml.client import examples
from tests.kafkaml.client._async.conftest import Connect
from tests.kafkaml.client.fake_api import FakeApi, answer, refusal

URL = "http://api.test"

TEMPORARY = [
    httpx.ConnectError("refused"),
    httpx.ReadTimeout("silent"),
    httpx.RemoteProtocolError("cut"),
    httpx.Response(502, text="<html>bad gateway</html>"),
    refusal("unavailable", 503),
    httpx.Response(504),
    httpx.Response(429, headers={"Retry-After": "0"}),
]


@pytest.mark.parametrize("failure", TEMPORARY, ids=repr)
async def test_a_read_is_tried_again(
    connect: Connect, failure: httpx.Response | Exception
) -> None:
    api = FakeApi(failure, answer(examples.MODEL))
    client = connect(URL, transport=api)
    assert (await client.models.get(1)).id == 1
    assert len(api.requests) == 2


async def test_a_creation_is_tried_again_under_the_same_key(connect: Connect) -> None:
    api = FakeApi(
        httpx.ReadTimeout("silent"),
        refusal("unavailable", 503),
        answer(examples.MODEL, 201),
        answer(examples.MODEL, 201),
    )
    client = connect(URL, transport=api)
    await client.models.create(name="a", source="b")
    await client.models.create(name="a", source="b")
    keys = [request.headers["Idempotency-Key"] for request in api.requests]
    assert len(set(keys[:3])) == 1
    assert len(set(keys)) == 2
    assert {request.content for request in api.requests} == {b'{"name":"a","source":"b"}'}


async def test_what_may_have_been_done_and_is_not_repeatable_is_not_sent_twice(
    connect: Connect,
) -> None:
    api = FakeApi(httpx.ReadTimeout("silent"))
    client = connect(URL, transport=api)
    with pytest.raises(ApiUnavailableError, match="silent"):
        await client.trainings.retry(4)
    assert len(api.requests) == 1


async def test_what_was_never_sent_is_sent_again(connect: Connect) -> None:
    api = FakeApi(httpx.ConnectError("refused"), answer(examples.TRAINING, 202))
    client = connect(URL, transport=api)
    await client.trainings.retry(4)
    assert len(api.requests) == 2


async def test_gone_after_a_lost_answer_is_deleted(connect: Connect) -> None:
    api = FakeApi(httpx.ReadTimeout("silent"), refusal("not-found", 404))
    client = connect(URL, transport=api)
    await client.models.delete(1)


async def test_gone_from_the_start_is_an_error(connect: Connect) -> None:
    api = FakeApi(httpx.ConnectError("refused"), refusal("not-found", 404))
    client = connect(URL, transport=api)
    with pytest.raises(ProblemError, match="Not now"):
        await client.models.delete(1)


async def test_a_client_gives_up_after_its_time(connect: Connect) -> None:
    api = FakeApi(*[httpx.ConnectError("refused") for _ in range(100)])
    client = connect(URL, transport=api, retry_for=0.5)
    with pytest.raises(ApiUnavailableError, match=r"http://api.test/api/v1/models/1"):
        await client.models.get(1)
    assert 2 <= len(api.requests) <= 6


async def test_retries_can_be_switched_off(connect: Connect) -> None:
    api = FakeApi(refusal("unavailable", 503))
    client = connect(URL, transport=api, retry_for=timedelta(0))
    with pytest.raises(ApiUnavailableError, match="Do something else"):
        await client.models.get(1)
    assert len(api.requests) == 1


@pytest.mark.parametrize("later", ["3600", "Fri, 01 Jan 2100 00:00:00 GMT"])
async def test_a_pause_longer_than_the_patience_is_not_begun(
    connect: Connect, later: str
) -> None:
    api = FakeApi(refusal("unavailable", 503, **{"Retry-After": later}))
    client = connect(URL, transport=api)
    with pytest.raises(ApiUnavailableError):
        await client.models.get(1)


async def test_the_api_says_how_long_to_wait(connect: Connect) -> None:
    api = FakeApi(
        refusal("unavailable", 503, **{"Retry-After": "1"}), answer(examples.MODEL)
    )
    client = connect(URL, transport=api)
    start = datetime.now(UTC)
    await client.models.get(1)
    assert datetime.now(UTC) - start >= timedelta(seconds=1)


async def test_a_refusal_is_told_at_once_with_its_problem(connect: Connect) -> None:
    api = FakeApi(refusal("name-taken", 409))
    client = connect(URL, transport=api)
    with pytest.raises(ProblemError, match="Not now: Do something else") as raised:
        await client.models.create(name="a", source="b")
    assert raised.value.problem.code == "name-taken"


async def test_an_internal_error_is_not_repeated(connect: Connect) -> None:
    api = FakeApi(refusal("internal", 500))
    client = connect(URL, transport=api)
    with pytest.raises(ProblemError):
        await client.models.get(1)


async def test_a_request_that_breaks_a_rule_is_refused_before_it_is_sent(
    connect: Connect,
) -> None:
    api = FakeApi()
    client = connect(URL, transport=api)
    with pytest.raises(ProblemError) as raised:
        await client.configurations.create(name=" a", model_ids=[])
    with pytest.raises(ProblemError):
        await client.deployments.create(1, fit={"shufle": True})
    problem = raised.value.problem
    assert problem.code == "validation-failed"
    assert [each.location for each in problem.errors] == ["body.name", "body.model_ids"]
    assert api.requests == []


@pytest.mark.parametrize("status", [200, 201, 301, 404, 500])
async def test_an_answer_that_makes_no_sense_is_explained(
    connect: Connect, status: int
) -> None:
    api = FakeApi(httpx.Response(status, text="<html>log in</html>"))
    client = connect(URL, transport=api)
    with pytest.raises(ClientError, match=r"GET /api/v1/models/1 .*Kafka-ML.*log in"):
        await client.models.get(1)


@pytest.mark.parametrize("body", [b"", b"[1]", b'{"id": "x"}', b"\xff"])
async def test_a_body_of_another_shape_is_explained(connect: Connect, body: bytes) -> None:
    api = FakeApi(httpx.Response(200, content=body))
    client = connect(URL, transport=api)
    with pytest.raises(ClientError, match="no Model: "):
        await client.models.get(1)


async def test_a_body_that_cannot_be_unpacked_is_explained(connect: Connect) -> None:
    broken = httpx.Response(
        200, stream=httpx.ByteStream(b"not packed"), headers={"Content-Encoding": "gzip"}
    )
    client = connect(URL, transport=FakeApi(broken))
    with pytest.raises(ClientError, match="no usable answer"):
        await client.models.get(1)


async def test_a_redirect_is_told_and_not_followed(connect: Connect) -> None:
    moved = httpx.Response(301, headers={"Location": "https://elsewhere.test"})
    client = connect(URL, "secret", transport=FakeApi(moved))
    with pytest.raises(ClientError, match=r"points to https://elsewhere.test"):
        await client.models.get(1)


async def test_a_url_that_is_none_is_explained(connect: Connect) -> None:
    with pytest.raises(ClientError, match="not a URL"):
        AsyncClient("http://[::1")
    client = connect("localhost:8000")
    with pytest.raises(ClientError, match="cannot be sent"):
        await client.models.get(1)
