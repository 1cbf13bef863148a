"""The Open Inference Protocol, as its clients speak it."""

from typing import Any

import pytest

from .conftest import POISON, Ask

MODEL = "/v2/models/inference-1"
INFER = f"{MODEL}/infer"


def tensor(**changes: Any) -> dict[str, Any]:
    whole = {
        "name": "input",
        "shape": [2, 4],
        "datatype": "FP32",
        "data": [1, 2, 3, 4, 0.5, 0, 0, 0],
    }
    return whole | changes


def test_health_and_metadata_are_those_of_the_protocol(serve: Ask) -> None:
    with serve() as asked:
        assert asked.get("/v2/health/live") == (200, {"live": True})
        assert asked.get("/v2/health/ready") == (200, {"ready": True})
        status, server = asked.get("/v2")
        assert (status, set(server)) == (200, {"name", "version", "extensions"})
        assert asked.get(f"{MODEL}/ready") == (200, {"name": "inference-1", "ready": True})
        described = {
            "name": "inference-1",
            "versions": ["7.3"],
            "platform": "kafka-ml",
            "inputs": [{"name": "input", "datatype": "FP32", "shape": [-1, 4]}],
            "outputs": [{"name": "output", "datatype": "FP32", "shape": [-1, 2]}],
        }
        assert asked.get(MODEL) == (200, described)
        assert asked.get(f"{MODEL}/versions/7.3") == (200, described)


@pytest.mark.parametrize(
    "data",
    [[1, 2, 3, 4, 0.5, 0, 0, 0], [[1, 2, 3, 4], [0.5, 0, 0, 0]]],
    ids=["flat", "nested"],
)
def test_rows_are_answered_with_rows(serve: Ask, data: list[Any]) -> None:
    request = {
        "id": "mine",
        "parameters": {"anything": 1},
        "inputs": [tensor(data=data)],
        "outputs": [{"name": "output"}],
    }
    with serve() as asked:
        for path in (INFER, f"{MODEL}/versions/7.3/infer"):
            assert asked.post(path, request) == (
                200,
                {
                    "id": "mine",
                    "model_name": "inference-1",
                    "model_version": "7.3",
                    "outputs": [
                        {
                            "name": "output",
                            "shape": [2, 2],
                            "datatype": "FP32",
                            "data": [10.0, 4.0, 0.5, 0.5],
                        }
                    ],
                },
            )


@pytest.mark.parametrize(
    "datatype",
    ["UINT8", "UINT16", "INT8", "INT16", "FP16", "FP32", "FP64", "BOOL"],
)
def test_numbers_of_every_type_that_the_model_can_take(serve: Ask, datatype: str) -> None:
    data = [True, False, True, False] if datatype == "BOOL" else [1, 0, 1, 0]
    request = {"inputs": [tensor(shape=[1, 4], datatype=datatype, data=data)]}
    with serve() as asked:
        status, answer = asked.post(INFER, request)

    assert (status, answer["outputs"][0]["data"]) == (200, [2.0, 1.0])


@pytest.mark.parametrize(
    ("request_body", "told"),
    [
        (b"{", "not JSON"),
        (b"[]", "not an object"),
        ({}, "one tensor"),
        ({"inputs": [tensor(), tensor()]}, "one tensor"),
        ({"inputs": [7]}, "not an object"),
        ({"inputs": [tensor()], "id": 7}, "id"),
        ({"inputs": [tensor(name="other")]}, "'input'"),
        ({"inputs": [tensor(shape=[2, 3])]}, "8 elements"),
        ({"inputs": [tensor(shape=[4, 2])]}, "does not fit"),
        ({"inputs": [tensor(shape=[0, 4])]}, "shape"),
        ({"inputs": [tensor(shape=[-1, 4])]}, "shape"),
        ({"inputs": [tensor(shape="2 4")]}, "shape"),
        ({"inputs": [tensor(shape=[True, 4])]}, "shape"),
        ({"inputs": [tensor(data=None)]}, "not an array"),
        ({"inputs": [tensor(data=[[1], [2, 3]])]}, "rectangular"),
        ({"inputs": [tensor(data=["a"] * 8)]}, "not FP32"),
        ({"inputs": [tensor(data=[None] * 8)]}, "not FP32"),
        ({"inputs": [tensor(data=[1e300] * 8)]}, "not FP32"),
        ({"inputs": [tensor(data=[10**40] * 8)]}, "not FP32"),
        ({"inputs": [tensor(datatype="FP128")]}, "BYTES"),
        ({"inputs": [tensor(datatype=["FP32"])]}, "BYTES"),
        ({"inputs": [tensor(datatype="UINT8", data=[256] * 8)]}, "not UINT8"),
        ({"inputs": [tensor(datatype="UINT8", data=[-1] * 8)]}, "not UINT8"),
        ({"inputs": [tensor(datatype="INT8", data=[0.5] * 8)]}, "not INT8"),
        ({"inputs": [tensor(datatype="BOOL", data=[1] * 8)]}, "not BOOL"),
        ({"inputs": [tensor(datatype="BYTES", data=["a"] * 8)]}, "FP32"),
        ({"inputs": [tensor(datatype="BYTES", data=[1] * 8)]}, "text"),
        ({"inputs": [tensor(shape=[1025, 4], data=[0] * 4100)]}, "1024"),
        ({"inputs": [tensor()], "outputs": [{"name": "other"}]}, "output"),
        ({"inputs": [tensor()], "outputs": "output"}, "list"),
        ({"inputs": [tensor(data=[POISON] * 8)]}, "cannot predict"),
    ],
)
def test_what_is_wrong_is_said(serve: Ask, request_body: Any, told: str) -> None:
    with serve() as asked:
        status, answer = asked.post(INFER, request_body)

    assert (status, set(answer)) == (400, {"error"})
    assert told in answer["error"]


@pytest.mark.parametrize(
    "path",
    ["/v2/models/other", f"{MODEL}/versions/1", f"{MODEL}/other", "/v2/other", "/v2x"],
)
def test_what_is_not_there_is_not_found(serve: Ask, path: str) -> None:
    with serve() as asked:
        status, _ = asked.get(path)

    assert status == 404


def test_only_who_knows_the_key_may_ask(serve: Ask) -> None:
    request = {"inputs": [tensor()]}
    with serve() as asked:
        for key in (None, "", "x" * 43, "käse"):
            assert asked.post(INFER, request, key)[0] == 401
            assert asked.post("/records", {"records": [[1] * 4]}, key)[0] == 401
            assert asked.get(MODEL, key)[0] == 401
            assert asked.get("/v2/health/ready", key)[0] == 200


def test_v2_may_be_opened_but_the_way_of_the_api_may_not(serve: Ask) -> None:
    with serve(is_open=True) as asked:
        assert asked.post(INFER, {"inputs": [tensor()]}, None)[0] == 200
        assert asked.post("/records", {"records": [[1] * 4]}, None)[0] == 401
