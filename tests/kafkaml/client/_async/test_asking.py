"""Predictions over HTTP, as a program asks for them."""

import base64
import json
from typing import Any

import numpy as np
import pytest

from kafkaml.exceptions import ProblemError
from tests.kafkaml.client._async.conftest import Connect
from tests.kafkaml.client.fake_api import FakeApi, answer

URL = "http://api.test"
ANSWERS: dict[str, Any] = {
    "answers": [
        {"values": [0.5, None], "model": "7/3"},
        {"error": {"stage": "decode", "message": "too short"}},
    ]
}


@pytest.mark.parametrize(
    ("records", "body"),
    [
        (np.array([[1, 2], [3, 4]], np.uint8), {"records": [[1, 2], [3, 4]]}),
        ([[1, 2], {"a": 1}], {"records": [[1, 2], {"a": 1}]}),
        ([b"one", b""], {"base64": [base64.b64encode(b"one").decode(), ""]}),
    ],
    ids=["array", "lists", "bytes"],
)
async def test_records_are_answered_in_their_order(
    connect: Connect, records: Any, body: Any
) -> None:
    api = FakeApi(answer(ANSWERS))

    first, second = await connect(URL, transport=api).inferences.ask(6, records)

    assert (first.values, first.model, first.error) == ([0.5, None], "7/3", None)
    assert second.error is not None
    assert (second.error.stage, second.error.message) == ("decode", "too short")
    assert api.last.url.path == "/api/v1/inferences/6/predict"
    sent = {name: value for name, value in json.loads(api.last.content).items() if value}
    assert sent == body


async def test_many_records_are_asked_about_in_several_requests(connect: Connect) -> None:
    api = FakeApi(answer(ANSWERS), answer(ANSWERS))

    answers = await connect(URL, transport=api).inferences.ask(6, np.zeros((1025, 2)))

    assert len(answers) == 4
    assert len(json.loads(api.last.content)["records"]) == 1


async def test_no_records_are_no_request(connect: Connect) -> None:
    assert await connect(URL, transport=FakeApi()).inferences.ask(6, []) == []


async def test_an_inference_that_is_over_is_an_error(connect: Connect) -> None:
    problem = {
        "type": "urn:kafka-ml:problem:inference-over",
        "title": "over",
        "status": 409,
        "detail": "over",
        "instance": "/",
        "errors": [],
    }
    api = FakeApi(answer(problem, 409))
    with pytest.raises(ProblemError, match="over"):
        await connect(URL, transport=api).inferences.ask(6, [[1]])
