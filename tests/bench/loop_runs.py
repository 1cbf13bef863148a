"""Runs of the inferencer on a real broker, whose answers are checked."""

import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache

import numpy as np
import orjson
from confluent_kafka import Consumer, Message, Producer, TopicPartition
from tests.bench.loop_engines import CLASSES, FEATURES, Model, features
from tests.inferencer.orders import inference_order, order_of
from tests.inferencer.topics import Topics

from inferencer.answers import MODEL_HEADER, SOURCE_HEADER
from inferencer.config import InferencerSettings
from inferencer.engines.base import Engine
from inferencer.factory import Replica, build_replica
from inferencer.garbage import collect_rarely
from inferencer.models import Engines
from inferencer.report import Reporter
from inferencer.testing import MemoryAttempts
from kafkaml.records.base import Array
from kafkaml.schemas.attempts import InferenceOrder
from kafkaml.schemas.outputs import Guarantee

PATIENCE_SECONDS = 180.0
TOLERANCE = 1e-5
BATCH = 1024


@dataclass(frozen=True, slots=True)
class Bench:
    """A broker and how much is sent over it."""

    topics: Topics
    records: int

    def filled_topic(self, records: int, *, partitions: int = 1) -> str:
        """Return a new topic with records, row after row to each partition in turn."""
        name = f"bench-in-{secrets.token_hex(4)}"
        self.topics.create(name, partitions)
        rows = features(records)
        for each in range(partitions):
            values = (row.tobytes() for row in rows[each::partitions])
            self.topics.send(name, values, partition=each)
        return name

    def order(
        self, input_topic: str, guarantee: Guarantee, *, is_timed_by_broker: bool = False
    ) -> InferenceOrder:
        """Return an inference with topics of its own for what it writes."""
        order = inference_order(
            inference_id=secrets.randbits(40) + 1,
            input_topic=input_topic,
            output_topic=f"bench-out-{secrets.token_hex(4)}",
            input_config={"data_type": "float32", "data_reshape": str(FEATURES)},
            input_shape=[FEATURES],
        ).model_copy(update={"guarantee": guarantee})
        kind = "LogAppendTime" if is_timed_by_broker else "CreateTime"
        self.topics.create(order.output_topic, config={"message.timestamp.type": kind})
        self.topics.create(order.dead_letter_topic)
        return order


@contextmanager
def running(bench: Bench, order: InferenceOrder, engine: Engine) -> Iterator[Replica]:
    """Run a replica in a thread, from when it has its partitions."""
    collect_rarely()
    stop = threading.Event()
    attempts = MemoryAttempts(order=order_of(order))
    replica = build_replica(
        settings=InferencerSettings(bootstrap_servers=bench.topics.bootstrap_servers),
        order=order,
        engines=Engines(primary=engine),
        key="",
        reporter=Reporter(attempts=attempts, replica=0, stop=stop),
    )
    thread = threading.Thread(target=replica.stream.run, args=(order.input_topic, stop))
    thread.start()
    try:
        if not attempts.reported_serving.wait(PATIENCE_SECONDS):
            raise TimeoutError("the inferencer did not join")
        yield replica
    finally:
        stop.set()
        thread.join()


def loop_rate(
    bench: Bench, input_topic: str, records: int, engine: Model, guarantee: Guarantee
) -> float:
    """Return the records per second of the inferencer, of which each answer is right."""
    order = bench.order(input_topic, guarantee)
    with running(bench, order, engine) as replica:
        began = time.perf_counter()
        wait_for(lambda: replica.metrics.answers, records)
        rate = records / (time.perf_counter() - began)
    check(bench, order, records, engine)
    return rate


def wait_for(count: Callable[[], int], wanted: int, *, pause: float = 0.01) -> None:
    """Return once `count()` is `wanted`; asking more often takes the loop's time."""
    deadline = time.perf_counter() + PATIENCE_SECONDS
    while count() < wanted:
        if time.perf_counter() > deadline:
            raise TimeoutError("the inferencer did not answer everything")
        time.sleep(pause)


def bare_rate(bench: Bench, input_topic: str, records: int) -> float:
    """Return what the clients alone do, with all of the loop's work but codec and model.

    As many records as a batch has are read; each is answered by a value as large, with the
    record's headers, its own source and the model; offsets are committed when Kafka keeps
    the answers. A straight loop, as one would write it by hand.
    """
    servers = bench.topics.bootstrap_servers
    output = f"bench-bare-{secrets.token_hex(4)}"
    bench.topics.create(output)
    value = orjson.dumps({"values": [1 / CLASSES] * CLASSES})
    model = (MODEL_HEADER, b"7/3")
    consumer = Consumer(
        {
            "bootstrap.servers": servers,
            "group.id": output,
            "enable.auto.commit": False,
            "fetch.queue.backoff.ms": 10,
        }
    )
    producer = Producer(
        {"bootstrap.servers": servers, "enable.idempotence": True, "linger.ms": 5}
    )
    consumer.assign([TopicPartition(input_topic, 0, 0)])
    first = consumer.consume(1, PATIENCE_SECONDS)
    began, done = time.perf_counter(), len(first)
    while done < records:
        messages = consumer.consume(min(BATCH, records - done), 1)
        for message in messages:
            source = f"{input_topic}/{message.partition()}/{message.offset()}".encode()
            headers = [*(message.headers() or ()), (SOURCE_HEADER, source), model]
            producer.produce(output, value, message.key(), headers=headers)
        producer.flush(PATIENCE_SECONDS)
        done += len(messages)
        offset = TopicPartition(input_topic, 0, done)
        consumer.commit(offsets=[offset], asynchronous=False)
    rate = records / (time.perf_counter() - began)
    consumer.close()
    if bench.topics.count(output) != records - len(first):
        raise ValueError("the bare clients lost records")
    return rate


def check(
    bench: Bench,
    order: InferenceOrder,
    records: int,
    engine: Model,
    *,
    partitions: int = 1,
) -> list[Message]:
    """Return the answers in the order of the rows, each right and there once.

    Raise ValueError if that is not so. Rows were sent to the partitions in turn.
    """
    answers = bench.topics.read_committed(order.output_topic, records, seconds=120)
    by_row = {_row(answer, partitions): answer for answer in answers}
    if len(answers) != records or by_row.keys() != set(range(records)):
        raise ValueError(f"{len(answers)} answers to {len(by_row)} of {records}")
    ordered = [by_row[row] for row in range(records)]
    values = np.array([orjson.loads(each.value() or b"")["values"] for each in ordered])
    difference = np.abs(values - _predictions(engine, records)).max()
    if difference > TOLERANCE:
        raise ValueError(f"the answers differ from those of the model by {difference}")
    return ordered


@cache
def _predictions(engine: Model, records: int) -> Array:
    rows = features(records)
    return np.concatenate(
        [engine.predict(rows[at : at + BATCH]) for at in range(0, records, BATCH)]
    )


def _row(answer: Message, partitions: int) -> int:
    _, partition, offset = dict(answer.headers() or ())[SOURCE_HEADER].rsplit(b"/", 2)
    return int(offset) * partitions + int(partition)
