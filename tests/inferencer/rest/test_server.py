"""What the server bears: clients that are slow, many, large or gone."""

import http.client
import json
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from inferencer.rest.server import MAX_BODY_BYTES, MAX_CONNECTIONS
from inferencer.testing import SumEngine
from tests.inferencer.messages import record
from tests.inferencer.orders import value_of
from tests.inferencer.topics import eventually

from .conftest import KEY, Ask, Asked

HEADERS = {"Authorization": f"Bearer {KEY}"}
RECORDS = {"records": [[1, 0, 0, 0]] * 8}


def test_a_connection_serves_many_requests(serve: Ask) -> None:
    with serve() as asked:
        connection = http.client.HTTPConnection("127.0.0.1", asked.port, timeout=10)
        for _ in range(3):
            connection.request("POST", "/records", b'{"records": [[1,2,3,4]]}', HEADERS)
            answer = connection.getresponse()
            assert (answer.status, answer.getheader("Connection")) == (200, None)
            assert b"10.0" in answer.read()
        connection.close()


def test_a_body_has_a_length_and_a_limit(serve: Ask) -> None:
    with serve() as asked:
        assert status_of(asked, {}) == 411
        assert status_of(asked, {"Transfer-Encoding": "chunked"}) == 411
        assert status_of(asked, {"Content-Length": "-1"}) == 411
        assert status_of(asked, {"Content-Length": "9" * 30}) == 413
        assert status_of(asked, {"Content-Length": str(MAX_BODY_BYTES + 1)}) == 413


def status_of(asked: Asked, headers: dict[str, str]) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", asked.port, timeout=10)
    connection.putrequest("POST", "/records")
    for name, value in (HEADERS | headers).items():
        connection.putheader(name, value)
    connection.endheaders()
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return answer.status


def test_what_http_refuses_is_an_error_like_any_other(serve: Ask) -> None:
    with serve() as asked:
        connection = http.client.HTTPConnection("127.0.0.1", asked.port, timeout=10)
        connection.request("DELETE", "/v2/models/inference-1")
        answer = connection.getresponse()
        assert answer.status == 501
        assert answer.getheader("Content-Type") == "application/json"
        assert json.loads(answer.read()) == {"error": "Unsupported method ('DELETE')"}
        connection.close()
        with socket.create_connection(("127.0.0.1", asked.port), timeout=10) as plain:
            plain.sendall(b"no request at all\r\n\r\n")
            assert b'{"error":' in plain.makefile("rb").read()


def test_clients_that_say_nothing_leave_room_for_others(serve: Ask) -> None:
    with serve() as asked:
        idle = [
            socket.create_connection(("127.0.0.1", asked.port), timeout=10)
            for _ in range(MAX_CONNECTIONS - 1)
        ]
        assert asked.post("/records", RECORDS)[0] == 200
        for each in idle:
            each.close()
        wait_for_room(asked)
        assert asked.get("/v2/health/live") == (200, {"live": True})


def wait_for_room(asked: Asked) -> None:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        connection = http.client.HTTPConnection("127.0.0.1", asked.port, timeout=10)
        connection.request("GET", "/v2/health/live")
        is_kept = connection.getresponse().getheader("Connection") is None
        connection.close()
        if is_kept:
            return
        time.sleep(0.05)
    raise AssertionError("connections that were closed are still counted")


def test_too_many_at_once_are_turned_away_and_not_queued(serve: Ask) -> None:
    with serve() as asked:
        idle: list[socket.socket] = []
        for _ in range(MAX_CONNECTIONS):
            idle.append(socket.create_connection(("127.0.0.1", asked.port), timeout=10))
            idle[-1].sendall(b"GET / HTTP/1.1\r\n")
        last = socket.create_connection(("127.0.0.1", asked.port), timeout=10)
        assert last.recv(1) == b""
        for each in (*idle, last):
            each.close()


def test_the_stream_waits_for_one_small_part_however_many_ask(serve: Ask) -> None:
    """Eight clients keep a model of 2 ms a record busy; the stream gets in between."""
    engine = SumEngine(input_shape=(4,), seconds_per_record=0.002)
    ends = threading.Event()
    with serve(engine=engine) as asked, ThreadPoolExecutor(8) as pool:
        askers = [pool.submit(keep_asking, asked, ends) for _ in range(8)]
        eventually(lambda: sum(engine.batch_sizes) > 1000)  # parts have the size that fits
        waits = []
        for _ in range(10):
            before = sum(engine.batch_sizes)
            [reply] = asked.model.replies([record(value_of(1), offset=0)])
            waits.append(sum(engine.batch_sizes) - before - 1)
            assert reply.topic == "out"
        ends.set()
        answered = [each.result(timeout=30) for each in askers]

    assert sorted(waits)[5] < 100, waits  # eight clients have 400 records waiting
    assert all(answered)


def keep_asking(asked: Asked, ends: threading.Event) -> int:
    body: Any = {"records": [[1, 0, 0, 0]] * 50}
    answered = 0
    while not ends.is_set():
        status, answer = asked.post("/records", body)
        assert (status, len(answer["answers"])) == (200, 50)
        answered += 1
    return answered


def test_a_model_that_breaks_is_an_error_of_the_request(serve: Ask) -> None:
    class Broken(SumEngine):
        def predict(self, batch: Any) -> Any:
            raise RuntimeError(f"out of order at {len(batch)} rows")

    with serve(engine=Broken(input_shape=(4,))) as asked:
        status, answer = asked.post("/records", RECORDS)
        assert (status, set(answer)) == (500, {"error"})
        assert "out of order" not in answer["error"]
        assert asked.get("/v2/health/live")[0] == 200
