"""Records per second of the inferencer over those of a loop that predicts one by one.

The other loop has the shape of the original's: poll one record, `model.predict`,
`json.dumps`, flush and commit every 16. Both answer the same records on the same broker, in
turns, and their answers are compared. KAFKA_ML_BOOTSTRAP_SERVERS names a broker; without it
one is started.
"""

import json
import secrets
import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
from confluent_kafka import Consumer, Producer
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.bench.brokers import broker
from tests.inferencer.orders import inference_order, order_of
from tests.inferencer.topics import Topics

from inferencer.config import InferencerSettings
from inferencer.engines.base import Engine
from inferencer.engines.tensorflow import TensorFlowLoader
from inferencer.factory import build_replica
from inferencer.models import Engines
from inferencer.report import Reporter
from inferencer.testing import MemoryAttempts
from kafkaml.config import LogSettings
from kafkaml.logging import configure_logging
from kafkaml.schemas.attempts import InferenceOrder

GOAL = 1000
ROUNDS = 5
RECORDS = 50_000
RECORDS_ONE_BY_ONE = 200
FEATURES = 64
COMMIT_EVERY = 16
TOLERANCE = 1e-5
PATIENCE_SECONDS = 120.0


def main() -> None:
    """Print the medians of both loops and of their ratio."""
    configure_logging(LogSettings(log_level="error"))
    with tempfile.TemporaryDirectory() as folder, broker(Path(folder)) as servers:
        topics = Topics(servers)
        model, engine = make_model(Path(folder) / "model.keras")
        input_topic = f"bench-in-{secrets.token_hex(4)}"
        topics.create(input_topic)
        topics.send(input_topic, (row.tobytes() for row in features()))
        rates: list[tuple[float, float]] = []
        for _ in range(ROUNDS):
            order = new_order(topics, input_topic)
            ours = answer_in_batches(servers, order, engine)
            other_topic = new_order(topics, input_topic).output_topic
            other = answer_one_by_one(servers, input_topic, other_topic, model)
            check_equal(topics, order.output_topic, other_topic)
            rates.append((ours, other))
    print_report(rates)


def print_report(rates: list[tuple[float, float]]) -> None:
    ours, other = (statistics.median(each) for each in zip(*rates, strict=True))
    ratios = [one / two for one, two in rates]
    print(f"  the inferencer, {RECORDS} records        {ours:10.0f} records/s")
    print(
        f"  one predict a record, {RECORDS_ONE_BY_ONE} records    {other:10.1f} records/s"
    )
    print(
        f"  ratio, median of {ROUNDS} rounds           {statistics.median(ratios):10.0f} "
        f"(from {min(ratios):.0f} to {max(ratios):.0f}; goal: at least {GOAL})"
    )
    print(f"  answers are equal within {TOLERANCE}")


def make_model(path: Path) -> tuple[Any, Engine]:
    """Return a perceptron of two layers, and the engine that serves its file."""
    loader = TensorFlowLoader()
    loader.prepare()
    import keras

    keras.utils.set_random_seed(1)
    model = keras.Sequential(
        [
            keras.Input((FEATURES,)),
            keras.layers.Dense(128, activation="relu"),
            keras.layers.Dense(10, activation="softmax"),
        ]
    )
    model.save(path)
    model.predict(np.zeros((1, FEATURES), np.float32), verbose=0)
    return model, loader.load(path, input_shape=(FEATURES,))


def features() -> NDArray[np.float32]:
    return np.random.default_rng(1).random((RECORDS, FEATURES), np.float32)


def new_order(topics: Topics, input_topic: str) -> InferenceOrder:
    """Return an inference that begins at the first record, with its topics."""
    order = inference_order(
        inference_id=secrets.randbits(40) + 1,
        input_topic=input_topic,
        output_topic=f"bench-out-{secrets.token_hex(4)}",
        input_config={"data_type": "float32", "data_reshape": str(FEATURES)},
        input_shape=[FEATURES],
    )
    topics.create(order.output_topic)
    topics.create(order.dead_letter_topic)
    return order


def answer_in_batches(servers: str, order: InferenceOrder, engine: Engine) -> float:
    """Return the records per second of the inferencer, from joining to the last answer."""
    stop = threading.Event()
    attempts = MemoryAttempts(order=order_of(order))
    replica = build_replica(
        settings=InferencerSettings(bootstrap_servers=servers),
        order=order,
        engines=Engines(primary=engine),
        key="",
        reporter=Reporter(attempts=attempts, replica=0, stop=stop),
    )
    thread = threading.Thread(target=replica.stream.run, args=(order.input_topic, stop))
    thread.start()
    if not attempts.reported_serving.wait(PATIENCE_SECONDS):
        raise TimeoutError("the inferencer did not join")
    started = time.perf_counter()
    while replica.metrics.answers < RECORDS:
        if time.perf_counter() - started > PATIENCE_SECONDS:
            raise TimeoutError("the inferencer did not answer everything")
        time.sleep(0.002)
    seconds = time.perf_counter() - started
    stop.set()
    thread.join()
    return RECORDS / seconds


def answer_one_by_one(
    servers: str, input_topic: str, output_topic: str, model: Any
) -> float:
    """Return the records per second of the other loop, from its first record on."""
    consumer = Consumer(
        {
            "bootstrap.servers": servers,
            "group.id": f"bench-{secrets.token_hex(4)}",
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
        }
    )
    consumer.subscribe([input_topic])
    producer = Producer({"bootstrap.servers": servers})
    answered, started = 0, 0.0
    while answered < RECORDS_ONE_BY_ONE:
        message = consumer.poll(1.0)
        if message is None or message.error():
            continue
        started = started or time.perf_counter()
        row = np.frombuffer(message.value(), np.float32).reshape(1, FEATURES)
        values = model.predict(row, verbose=0)[0].tolist()
        producer.produce(output_topic, json.dumps({"values": values}).encode())
        answered += 1
        if not answered % COMMIT_EVERY:
            producer.flush()
            consumer.commit(asynchronous=False)
    producer.flush()
    consumer.commit(asynchronous=False)
    seconds = time.perf_counter() - started
    consumer.close()
    return RECORDS_ONE_BY_ONE / seconds


def check_equal(topics: Topics, ours: str, other: str) -> None:
    """Raise ValueError unless every record was answered, and equally by both loops."""
    batches = [json.loads(each.value())["values"] for each in topics.read(ours, RECORDS)]
    ones = [
        json.loads(each.value())["values"]
        for each in topics.read(other, RECORDS_ONE_BY_ONE)
    ]
    difference = np.abs(np.array(batches[: len(ones)]) - np.array(ones)).max()
    if len(batches) != RECORDS or difference > TOLERANCE:
        raise ValueError(f"{len(batches)} answers, differing by {difference}")


if __name__ == "__main__":
    main()
