"""How long one record takes from its producer to the reader of its answer."""

import secrets
import statistics
import time
from collections.abc import Iterator

from confluent_kafka import Consumer, Producer, TopicPartition
from tests.bench.loop_engines import features, light, records_per_second
from tests.bench.loop_runs import Bench, running

from inferencer.engines.base import Engine
from kafkaml.schemas.outputs import Guarantee

# Records per second, so few that none waits for the commit of another.
RATES = {Guarantee.AT_LEAST_ONCE: 50.0, Guarantee.EXACTLY_ONCE: 20.0}
SECONDS = 8.0


def measure(bench: Bench) -> Iterator[str]:
    """Yield what the loop adds to two hops over the broker, by the median."""
    engine = light()
    call = 1 / records_per_second(engine, batch=1, seconds=0.3)
    _bare_hop(bench, max(RATES.values()))  # a young broker is slow
    for guarantee, rate in RATES.items():
        hop = _bare_hop(bench, rate)
        seconds, commit = _through_loop(bench, guarantee, engine, rate)
        added = _p(seconds, 50) - 2 * hop - call
        goal = 0.001 + (commit if guarantee is Guarantee.EXACTLY_ONCE else 0)
        yield (
            f"{guarantee}: p50 {1000 * _p(seconds, 50):.2f} ms, p99 "
            f"{1000 * _p(seconds, 99):.2f} ms; beside the model and two hops of "
            f"{1000 * hop:.2f} ms {1000 * added:.2f} ms (goal: at most "
            f"{1000 * goal:.2f} ms), a commit {1000 * commit:.2f} ms"
        )


def _bare_hop(bench: Bench, rate: float) -> float:
    topic = f"bench-hop-{secrets.token_hex(4)}"
    bench.topics.create(topic)
    return _p(_exchange(bench, topic, topic, rate), 50)


def _through_loop(
    bench: Bench, guarantee: Guarantee, engine: Engine, rate: float
) -> tuple[list[float], float]:
    topic = f"bench-in-{secrets.token_hex(4)}"
    bench.topics.create(topic)
    order = bench.order(topic, guarantee)
    with running(bench, order, engine) as replica:
        seconds = _exchange(bench, topic, order.output_topic, rate)
        value = replica.metrics.registry.get_sample_value
        total = value("kafkaml_inferencer_stage_seconds_sum", {"stage": "commit"})
        count = value("kafkaml_inferencer_batch_records_count")
    return seconds, (total or 0) / (count or 1)


def _exchange(bench: Bench, to_topic: str, from_topic: str, rate: float) -> list[float]:
    """Send at a rate, read what comes; return the seconds from one to the other."""
    records = int(rate * SECONDS)
    servers = {"bootstrap.servers": bench.topics.bootstrap_servers}
    producer = Producer(servers | {"linger.ms": 0, "acks": "all"})
    consumer = Consumer(
        servers
        | {
            "group.id": from_topic,
            "fetch.wait.max.ms": 100,
            "isolation.level": "read_committed",
            "enable.auto.commit": False,
        }
    )
    consumer.assign([TopicPartition(from_topic, 0, 0)])
    rows = [row.tobytes() for row in features(min(records, 1000))]
    _send_one(producer, to_topic, rows[0], "warm-up")
    while consumer.poll(1) is None:
        pass
    seconds: list[float] = []
    began, sent = time.perf_counter(), 0
    while len(seconds) < records:
        now = time.perf_counter()
        while sent < records and sent <= (now - began) * rate:
            _send_one(producer, to_topic, rows[sent % len(rows)], str(time.perf_counter()))
            sent += 1
        producer.poll(0)
        for message in consumer.consume(1000, 0.0005):
            at = float(dict(message.headers())["at"])
            seconds.append(time.perf_counter() - at)
        if time.perf_counter() - began > SECONDS + 60:
            raise TimeoutError(f"{records - len(seconds)} answers are missing")
    producer.flush(10)
    consumer.close()
    return seconds


def _send_one(producer: Producer, topic: str, value: bytes, at: str) -> None:
    producer.produce(topic, value, headers=[("at", at.encode())])


def _p(seconds: list[float], percent: int) -> float:
    return statistics.quantiles(seconds, n=100)[percent - 1]
