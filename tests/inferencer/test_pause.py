"""A replica that meets too many dead letters, from its pause to its resumption."""

import hashlib
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from inferencer.config import InferencerSettings
from inferencer.main import run
from inferencer.testing import MemoryAttempts, SumEngineLoader
from kafkaml.kafka import inference_group
from kafkaml.schemas.attempts import InferenceOrder
from kafkaml.schemas.dead_letters import DeadLetterLimit
from kafkaml.schemas.outputs import Guarantee
from kafkaml.schemas.states import ExitCode
from kafkaml.schemas.trainings import Artifact

from .orders import order_of, value_of
from .topics import Topics, eventually

BAD = b"x"


@pytest.fixture
def order(order: InferenceOrder) -> InferenceOrder:
    artifact = Artifact(size_bytes=0, sha256=hashlib.sha256().hexdigest())
    return order.model_copy(update={"artifact": artifact})


@contextmanager
def serving(attempts: MemoryAttempts, topics: Topics) -> Iterator[None]:
    stop = threading.Event()
    codes: list[int] = []
    settings = InferencerSettings(
        bootstrap_servers=topics.bootstrap_servers, order_seconds=0.1
    )

    def serve() -> None:
        loader = SumEngineLoader()
        codes.append(run(settings=settings, attempts=attempts, loader=loader, stop=stop))

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(timeout=30)
    assert codes == [ExitCode.DRAINED]


@pytest.mark.parametrize("guarantee", Guarantee)
def test_a_poisoned_stream_is_paused_and_goes_on_when_told_so(
    order: InferenceOrder, topics: Topics, guarantee: Guarantee
) -> None:
    limit = DeadLetterLimit(rate=0.5, window_records=20)
    order = order.model_copy(update={"guarantee": guarantee, "dead_letter_limit": limit})
    attempts = MemoryAttempts(order=order_of(order))

    def change(**fields: Any) -> None:
        attempts.change_order(order_of(order.model_copy(update=fields)))

    topics.send(order.input_topic, [BAD] * 40, partition=1)
    with serving(attempts, topics):
        eventually(lambda: len(attempts.pause_reports) == 1)
        change(is_paused=True)
        topics.send(order.input_topic, map(value_of, range(10)), partition=2)
        group = inference_group(order.inference_id)
        eventually(lambda: topics.committed(group, order.input_topic) >= 20)
        time.sleep(1.5)
        assert "dead letters" in attempts.pause_reports[0].reason
        assert topics.count(order.output_topic) == 0
        assert topics.committed(group, order.input_topic) <= 40

        change(resumptions=1)
        answers = topics.read_committed(order.output_topic, 10)

    assert len(answers) == 10
    assert len(topics.read_committed(order.dead_letter_topic, 40)) == 40
    assert topics.committed(group, order.input_topic) == 50


def test_the_replica_of_a_paused_inference_begins_with_a_pause(
    order: InferenceOrder, topics: Topics
) -> None:
    attempts = MemoryAttempts(order=order_of(order.model_copy(update={"is_paused": True})))
    topics.send(order.input_topic, map(value_of, range(10)))
    with serving(attempts, topics):
        assert attempts.reported_serving.wait(30)
        time.sleep(0.5)
        assert topics.count(order.output_topic) == 0
        attempts.change_order(order_of(order.model_copy(update={"resumptions": 1})))
        assert len(topics.read(order.output_topic, 10)) == 10
