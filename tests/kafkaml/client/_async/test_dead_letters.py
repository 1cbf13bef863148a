import json
from datetime import UTC, datetime
from typing import Any

import pytest

from kafkaml.exceptions import ProblemError
from kafkaml.schemas.dead_letters import LetterPlace
from tests.kafkaml.client import examples
from tests.kafkaml.client._async.conftest import Connect
from tests.kafkaml.client.fake_api import FakeApi, answer

URL = "http://api.test"
LETTER: dict[str, Any] = {
    "partition": 1,
    "offset": 7,
    "source": {"topic": "in", "partition": 0, "offset": 3},
    "stage": "decode",
    "reason": "BadRecord",
    "message": "too short",
    "timestamp": "2026-01-01T00:00:00Z",
    "key": None,
    "value": {"size_bytes": 1, "base64": "eA==", "text": "x", "is_cut": False},
    "headers": [],
    "news": 1,
}


def sent(count: int, **fields: Any) -> dict[str, Any]:
    return {"inference_id": 6, "sent": count, "already_sent": 1, "refused": []} | fields


async def test_dead_letters_are_listed_page_by_page(connect: Connect) -> None:
    api = FakeApi(
        answer({"items": [], "next_cursor": "0-0-9"}),
        answer({"items": [LETTER], "next_cursor": None}),
    )
    client = connect(URL, transport=api)
    since = datetime(2026, 1, 1, tzinfo=UTC)
    letters = client.inferences.dead_letters(6, stage="decode", since=since)
    assert [each.source.offset async for each in letters] == [3]
    assert dict(api.last.url.params) == {
        "stage": "decode",
        "since": "2026-01-01T00:00:00+00:00",
        "order": "newest",
        "cursor": "0-0-9",
    }


async def test_one_dead_letter_is_shown(connect: Connect) -> None:
    api = FakeApi(answer(LETTER))
    letter = await connect(URL, transport=api).inferences.dead_letter(6, 1, 7)
    assert letter.message == "too short"
    assert api.last.url.path == "/api/v1/inferences/6/dead-letters/1/7"


async def test_all_are_sent_by_as_many_calls_as_it_takes(connect: Connect) -> None:
    refusal = {"partition": 0, "offset": 1, "message": "too large"}
    api = FakeApi(
        answer(sent(1000, next_cursor="0-5-9"), 202),
        answer(sent(4, refused=[refusal]), 202),
    )
    client = connect(URL, transport=api)
    result = await client.inferences.send_dead_letters(6, all=True)
    assert (result.sent, result.already_sent, len(result.refused)) == (1004, 2, 1)
    bodies = [json.loads(each.content) for each in api.requests]
    assert bodies == [
        {"all": True, "limit": 1000},
        {"all": True, "limit": 1000, "cursor": "0-5-9"},
    ]
    keys = {each.headers["Idempotency-Key"] for each in api.requests}
    assert len(keys) == 2


async def test_letters_are_sent_by_hundreds_and_by_filter(connect: Connect) -> None:
    api = FakeApi(*(answer(sent(1), 202) for _ in range(3)))
    client = connect(URL, transport=api)
    places = [LetterPlace(partition=0, offset=each) for each in range(150)]
    assert (await client.inferences.send_dead_letters(6, places)).sent == 2
    await client.inferences.send_dead_letters(6, filter={"stage": "predict"})
    bodies = [json.loads(each.content) for each in api.requests]
    assert [len(each["letters"]) for each in bodies[:2]] == [100, 50]
    assert bodies[2] == {"filter": {"stage": "predict"}, "limit": 1000}
    assert (await client.inferences.send_dead_letters(6, [])).sent == 0


async def test_a_wish_without_letters_is_refused_at_once(connect: Connect) -> None:
    client = connect(URL, transport=FakeApi())
    with pytest.raises(ProblemError, match="body"):
        await client.inferences.send_dead_letters(6)


async def test_an_inference_is_resumed(connect: Connect) -> None:
    pause = {"reason": "too many", "since": "2026-01-01T00:00:00Z"}
    api = FakeApi(answer(examples.INFERENCE | {"pause": pause}, 202))
    inference = await connect(URL, transport=api).inferences.resume(6)
    assert inference.pause is not None
    assert inference.pause.reason == "too many"
    assert (api.last.method, api.last.url.path) == ("POST", "/api/v1/inferences/6/resume")
