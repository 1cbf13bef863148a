"""Records that are asked about get what the stream would give them."""

import base64
from typing import Any

import numpy as np
import pytest

from kafkaml.schemas.outputs import OutputConfig, OutputFormat
from tests.inferencer.messages import record
from tests.inferencer.orders import inference_order, value_of

from .conftest import POISON, Ask


def encoded(value: bytes) -> str:
    return base64.b64encode(value).decode()


def test_numbers_and_bytes_are_answered_alike(serve: Ask) -> None:
    wanted = [{"values": [n, n], "model": "7/3"} for n in (1.0, 2.0)]
    bodies: list[Any] = [
        {"records": [[1, 0, 0, 0], [2.0, 0, 0, 0]]},
        {"base64": [encoded(value_of(1)), encoded(value_of(2))]},
    ]
    with serve() as asked:
        for body in bodies:
            assert asked.post("/records", body) == (200, {"answers": wanted})
        _, text = asked.get("/metrics")
    assert 'kafkaml_inferencer_http_records_total{outcome="answered"} 4.0' in text


def test_each_bad_record_is_told_why_and_the_others_are_answered(serve: Ask) -> None:
    records = [
        [1, 0, 0, 0],
        [1, 2],
        "text",
        [POISON, 0, 0, 0],
        [None] * 4,
        {"a": 1},
        10**40,
    ]
    with serve() as asked:
        status, answer = asked.post("/records", {"records": records})

    first, *others = answer["answers"]
    assert (status, first["values"]) == (200, [1.0, 1.0])
    assert [each["error"]["stage"] for each in others] == [
        "decode",
        "decode",
        "predict",
        "decode",
        "decode",
        "decode",
    ]
    assert others[0]["error"]["message"] == "the rows have shape (2,), not (4,)"
    assert others[2]["error"]["message"] == f"cannot predict {POISON}"


def test_an_error_is_what_the_dead_letter_would_say(serve: Ask) -> None:
    with serve() as asked:
        _, answer = asked.post("/records", {"base64": [encoded(b"short"), "%", ""]})
        [letter] = asked.model.replies([record(b"short", offset=0)])

    told = [each["error"]["message"] for each in answer["answers"]]
    headers = dict(letter.headers)
    assert told[0] == (headers["__kafkaml.errors.message"] or b"").decode()
    assert told[1] == "the text is not base64"


def test_records_of_json_are_what_their_values_would_be(serve: Ask) -> None:
    order = inference_order(
        input_format="JSON", input_config={"data_fields": ["a", "b", "c", "d"]}
    )
    records = [{"a": 1, "b": 2, "c": 3, "d": 4, "more": "x"}, [1, 2, 3, 4], {"a": 1}]
    with serve(order) as asked:
        _, answer = asked.post("/records", {"records": records})

    *good, bad = answer["answers"]
    assert [each["values"] for each in good] == [[10.0, 4.0]] * 2
    assert "'b' is missing" in bad["error"]["message"]


def test_answers_are_in_the_form_of_the_output(serve: Ask) -> None:
    body = {"records": [[1, 2, 3, 4]]}
    raw = inference_order().model_copy(update={"output_format": OutputFormat.RAW})
    label = inference_order().model_copy(
        update={
            "output_format": OutputFormat.LABEL,
            "output_config": OutputConfig(class_names=["cat", "dog"]),
        }
    )
    with serve(raw) as asked:
        [answer] = asked.post("/records", body)[1]["answers"]
        assert np.frombuffer(base64.b64decode(answer["base64"]), "<f4").tolist() == [10, 4]
    with serve(label) as asked:
        [answer] = asked.post("/records", body)[1]["answers"]
        assert answer == {"label": "cat", "score": 10.0, "model": "7/3"}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        {},
        {"records": []},
        {"records": [[1]], "base64": [""]},
        {"records": [[1]], "more": 1},
        {"base64": [1]},
        {"records": [0] * 1025},
    ],
)
def test_a_request_that_is_not_one_is_refused(serve: Ask, body: Any) -> None:
    with serve() as asked:
        status, answer = asked.post("/records", body)

    assert (status, set(answer)) == (400, {"error"})


def test_many_records_are_answered_in_their_order(serve: Ask) -> None:
    with serve() as asked:
        records = [[number, 0, 0, 0] for number in range(1000, 2000)]
        _, answer = asked.post("/records", {"records": records})

    assert [each["values"][0] for each in answer["answers"]] == list(range(1000, 2000))
