"""How a replica ends, and what the next one finds."""

import hashlib
import signal
import threading
import time
from collections import Counter

import pytest

from inferencer.answers import SOURCE_HEADER
from inferencer.config import InferencerSettings
from inferencer.main import run
from inferencer.testing import MemoryAttempts, SumEngineLoader
from kafkaml.schemas.attempts import InferenceOrder
from kafkaml.schemas.outputs import Guarantee
from kafkaml.schemas.states import ExitCode, FailureReason

from .orders import inference_order, order_of, value_of
from .processes import BATCH, Start
from .topics import Topics, eventually

EMPTY_SHA256 = hashlib.sha256(b"").hexdigest()


def source_counts(topics: Topics, topic: str) -> Counter[bytes]:
    messages = topics.read(topic, 0)
    return Counter(dict(message.headers())[SOURCE_HEADER] for message in messages)


@pytest.mark.parametrize(
    ("uncommitted", "records"),
    [(BATCH, 1000), pytest.param(1024, 5000, id="several batches under way")],
)
def test_a_killed_replica_leaves_nothing_unanswered_and_repeats_what_was_uncommitted(
    topics: Topics,
    whole_order: InferenceOrder,
    start: Start,
    uncommitted: int,
    records: int,
) -> None:
    output = whole_order.output_topic
    topics.send(whole_order.input_topic, map(value_of, range(records)))

    replica = start(whole_order, batch_records=uncommitted)
    eventually(lambda: topics.count(output) > 3 * BATCH)
    time.sleep(0.1)
    replica.kill()
    replica.wait(timeout=30)
    last = start(whole_order, batch_records=uncommitted)
    eventually(lambda: len(source_counts(topics, output)) == records, seconds=60)
    group = f"kafkaml-inference-{whole_order.inference_id}"
    eventually(lambda: topics.committed(group, whole_order.input_topic) == records)
    last.send_signal(signal.SIGTERM)

    assert last.wait(timeout=30) == ExitCode.DRAINED
    counts = source_counts(topics, output)
    assert set(counts) == {
        f"{message.topic()}/{message.partition()}/{message.offset()}".encode()
        for message in topics.read(whole_order.input_topic, records)
    }
    assert sum(counts.values()) - records <= uncommitted


def test_exactly_once_a_replica_that_sleeps_for_long_writes_nothing_twice(
    topics: Topics, whole_order: InferenceOrder, start: Start
) -> None:
    once = whole_order.model_copy(update={"guarantee": Guarantee.EXACTLY_ONCE})
    topics.send(once.input_topic, map(value_of, range(1000)))
    group = f"kafkaml-inference-{once.inference_id}"

    sleeper = start(once)
    eventually(lambda: topics.committed(group, once.input_topic) > 100)
    sleeper.send_signal(signal.SIGSTOP)
    awake = start(once)
    eventually(lambda: topics.committed(group, once.input_topic) == 1000, seconds=60)
    sleeper.send_signal(signal.SIGCONT)
    for partition in range(4):  # whichever of them the sleeper gets back
        topics.send(once.input_topic, map(value_of, range(250)), partition=partition)
    eventually(lambda: topics.committed(group, once.input_topic) == 2000, seconds=60)
    for each in (sleeper, awake):
        each.send_signal(signal.SIGTERM)
        assert each.wait(timeout=30) == ExitCode.DRAINED

    answers = topics.read_committed(once.output_topic, 2000)
    sources = {dict(message.headers())[SOURCE_HEADER] for message in answers}
    assert len(answers) == len(sources) == 2000


def test_sigterm_ends_a_replica_with_all_answers_committed(
    topics: Topics, whole_order: InferenceOrder, start: Start
) -> None:
    topics.send(whole_order.input_topic, map(value_of, range(1000)))
    replica = start(whole_order)
    eventually(lambda: topics.count(whole_order.output_topic) > 100)

    replica.send_signal(signal.SIGTERM)
    replica.send_signal(signal.SIGTERM)

    assert replica.wait(timeout=30) == ExitCode.DRAINED
    counts = source_counts(topics, whole_order.output_topic)
    group = f"kafkaml-inference-{whole_order.inference_id}"
    assert set(counts.values()) == {1}
    assert topics.committed(group, whole_order.input_topic) == sum(counts.values()) < 1000


def test_a_model_that_cannot_be_loaded_is_reported() -> None:
    digest = hashlib.sha256(b"broken").hexdigest()
    attempts = MemoryAttempts(
        order=order_of(inference_order(sha256=digest)), artifact=b"broken"
    )

    assert run_with(attempts) == ExitCode.MODEL_CODE
    [report] = attempts.failure_reports
    assert (report.reason, report.message) == (FailureReason.ARTIFACT, "the file is broken")


def test_a_model_file_with_another_digest_is_reported() -> None:
    attempts = MemoryAttempts(
        order=order_of(inference_order(sha256="0" * 64)), artifact=b"other"
    )

    assert run_with(attempts) == ExitCode.DATA
    [report] = attempts.failure_reports
    assert report.reason == FailureReason.ARTIFACT
    assert "SHA-256" in report.message


def test_records_that_cannot_fit_the_model_are_reported() -> None:
    order = inference_order(input_config={"data_type": "no type"}, sha256=EMPTY_SHA256)
    attempts = MemoryAttempts(order=order_of(order))

    assert run_with(attempts) == ExitCode.DATA
    assert attempts.failure_reports[0].reason == FailureReason.BAD_STREAM


def run_with(attempts: MemoryAttempts) -> int:
    return run(
        settings=InferencerSettings(),
        attempts=attempts,
        loader=SumEngineLoader(),
        stop=threading.Event(),
    )
