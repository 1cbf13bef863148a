"""Reading a stream into arrays, over other ways to read and decode the same records.

The other ways: a bare `consume` of the same client, `KafkaDataset` of TensorFlow I/O with a
decoder for each record (what the original does), and fastavro record by record. All of them
must come to the same numbers. KAFKA_ML_BOOTSTRAP_SERVERS names a broker; without it one is
started.
"""

import gc
import json
import os
import secrets
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

import fastavro
import numpy as np
from confluent_kafka import Consumer, TopicPartition
from numpy.typing import NDArray

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from tests.bench.brokers import broker  # noqa: E402
from tests.bench.streams import DigitStream, send_digits  # noqa: E402
from tests.trainer.orders import training_order  # noqa: E402
from tests.trainer.streams import announce, make_topic  # noqa: E402

from kafkaml.config import KafkaSettings, LogSettings  # noqa: E402
from kafkaml.control import TopicRange  # noqa: E402
from kafkaml.formats import stream_format  # noqa: E402
from kafkaml.logging import configure_logging  # noqa: E402
from kafkaml.records import codec_for  # noqa: E402
from kafkaml.schemas.deployments import TrainingParameters  # noqa: E402
from trainer.config import TrainerSettings  # noqa: E402
from trainer.data.allocation import reused_blocks  # noqa: E402
from trainer.data.preparation import Announcement, Preparation  # noqa: E402
from trainer.data.records import Records  # noqa: E402
from trainer.data.stream import range_config  # noqa: E402
from trainer.deadline import Deadline  # noqa: E402
from trainer.run import run  # noqa: E402
from trainer.testing import InMemoryAttempts  # noqa: E402

ROUNDS = 9
PARTITIONS = 4
RECORDS = {64: 400_000, 784: 200_000}
RECORDS_OF_ORIGINAL = 20_000
ORIGINAL_SECONDS = 120
AVRO_RECORDS = 20_000
IMAGES, EPOCHS = 60_000, 5
MODEL = """
import keras

model = keras.Sequential([
    keras.Input((784,)),
    keras.layers.Rescaling(1 / 255),
    keras.layers.Dense(128, activation="relu"),
    keras.layers.Dense(10, activation="softmax"),
])
model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
"""


def main() -> None:
    """Print every figure."""
    configure_logging(LogSettings(log_level="error"))
    with tempfile.TemporaryDirectory() as folder, broker(Path(folder)) as servers:
        for size, count in RECORDS.items():
            stream = send_digits(servers, count=count, size=size, partitions=PARTITIONS)
            _tell(f"{size} B: arrays / bare consume", _over_bare(servers, stream))
            few = send_digits(
                servers, count=RECORDS_OF_ORIGINAL, size=size, partitions=PARTITIONS
            )
            _tell(f"{size} B: arrays / KafkaDataset", _over_original(servers, stream, few))
        _tell(f"reading / total, {EPOCHS} epochs", _share_of_training(servers))
    _tell("AVRO flat numbers / fastavro", _over_fastavro())


def _tell(name: str, figures: str) -> None:
    print(f"  {name:<30} {figures}", flush=True)


def _over_bare(servers: str, stream: DigitStream) -> str:
    """Compare the best of several turns, which a busy machine disturbs least."""
    turns = [
        [way(servers, stream) for way in (_consume, _consume_at_once, _read_checked)]
        for _ in range(ROUNDS + 1)
    ][1:]
    bare, at_once, ours = (
        Cost(*(min(figures) for figures in zip(*costs, strict=True)))
        for costs in zip(*turns, strict=True)
    )
    return (
        f"{bare.wall / ours.wall:5.2f}  (goal 0.85; {stream.count / ours.wall:,.0f} and "
        f"{stream.count / bare.wall:,.0f} records/s; {at_once.wall / ours.wall:.2f} of all "
        f"ranges at once; {bare.cpu / ours.cpu:.2f} by CPU time)"
    )


def _over_original(servers: str, stream: DigitStream, few: DigitStream) -> str:
    ours = stream.count / _read_checked(servers, stream).wall
    seconds, total = _read_as_original(servers, few)
    if total != few.total:
        raise RuntimeError(f"KafkaDataset came to {total}, not to {few.total}")
    theirs = few.count / seconds
    return f"{ours / theirs:5.1f}  (goal 10; {ours:,.0f} and {theirs:,.0f} records/s)"


class Cost(NamedTuple):
    """Seconds on the clock, and of all threads on a processor."""

    wall: float
    cpu: float


@contextmanager
def _measured(costs: list[Cost]) -> Iterator[None]:
    gc.collect()
    wall, cpu = time.perf_counter(), time.process_time()
    yield
    costs.append(Cost(time.perf_counter() - wall, time.process_time() - cpu))


def _consume(servers: str, stream: DigitStream) -> Cost:
    """Take the messages of one range after the other, and do nothing with them."""
    return _consume_all(servers, [[wanted] for wanted in stream.ranges])


def _consume_at_once(servers: str, stream: DigitStream) -> Cost:
    """Take the messages of all ranges in any order."""
    return _consume_all(servers, [stream.ranges])


def _consume_all(servers: str, turns: Sequence[Sequence[TopicRange]]) -> Cost:
    """Do what any reader has to, with the settings of ours, and let every message go."""
    costs: list[Cost] = []
    with _measured(costs), reused_blocks():
        consumer = Consumer(range_config({"bootstrap.servers": servers}))
        gc.disable()
        for wanted in turns:
            starts = [(each.topic, each.partition, each.start) for each in wanted]
            consumer.assign([TopicPartition(*start) for start in starts])
            left = sum(map(len, wanted))
            while left:
                found = consumer.consume(min(1000, left), 1.0)
                left -= sum(each.error() is None for each in found)
        gc.enable()
        consumer.close()
    return costs[0]


def _read(servers: str, stream: DigitStream, directory: Path) -> Records:
    return Preparation(
        parameters=TrainingParameters(),
        kafka={"bootstrap.servers": servers},
        settings=TrainerSettings(),
        directory=directory,
        deadline=Deadline.after(600),
    ).read(Announcement(stream.announcement(1), datetime.now(UTC)))


def _read_checked(servers: str, stream: DigitStream) -> Cost:
    costs: list[Cost] = []
    with tempfile.TemporaryDirectory() as folder:
        with _measured(costs):
            records = _read(servers, stream, Path(folder))
        rows = (len(records.features), len(records.labels), len(records.offsets))
        if rows != (stream.count,) * 3 or not stream.holds(records.features[-1]):
            raise RuntimeError("not every record was read")
    return costs[0]


def _read_as_original(servers: str, stream: DigitStream) -> tuple[float, int]:
    """Return the seconds and the sum of all values; in a process, for it may hang."""
    done = subprocess.run(
        [
            *(sys.executable, Path(__file__).parent / "ingest_as_original.py", servers),
            *(str(stream.size), ",".join(str(each) for each in stream.ranges)),
        ],
        check=True,
        capture_output=True,
        text=True,
        timeout=ORIGINAL_SECONDS,
        env=os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"},
    )
    found = json.loads(done.stdout.splitlines()[-1])
    return found["seconds"], found["total"]


def _share_of_training(servers: str) -> str:
    stream = send_digits(servers, count=IMAGES, size=784, partitions=PARTITIONS)
    control = f"bench-control-{secrets.token_hex(4)}"
    make_topic(servers, control)
    announce(servers, control, stream.announcement(1))
    attempts = InMemoryAttempts(
        training_order(control, source=MODEL, epochs=EPOCHS, batch_size=128)
    )
    run(
        attempts=attempts,
        settings=TrainerSettings(),
        kafka=KafkaSettings(bootstrap_servers=servers),
    )
    if attempts.accepted_result is None:
        raise RuntimeError(f"the training failed: {attempts.accepted_failure}")
    took = attempts.accepted_result.result.timings
    share = took.read / took.total
    return f"{share:5.3f}  (goal 0.05; {took.read:.2f} s of {took.total:.2f} s)"


def _over_fastavro() -> str:
    """Compare decoders of one batch of records with seven numbers, on one core."""
    kinds = ["float", "float", "float", "double", "int", "long", "boolean"]
    schema: dict[str, Any] = {
        "type": "record",
        "name": "Reading",
        "fields": [{"name": f"n{i}", "type": kind} for i, kind in enumerate(kinds)],
    }
    config = {"data_scheme": json.dumps(schema), "label_scheme": json.dumps("int")}
    codec = codec_for(stream_format("AVRO", config).features)
    generator = np.random.default_rng(0)
    numbers = generator.integers(-1000, 1000, (AVRO_RECORDS, len(kinds))).astype(np.float64)
    numbers[:, -1] = numbers[:, -1] > 0
    values = codec.encode(numbers)
    parsed = fastavro.parse_schema(schema)

    def one_by_one() -> NDArray[Any]:
        rows = [fastavro.schemaless_reader(BytesIO(each), parsed, None) for each in values]
        return np.array([list(row.values()) for row in rows if isinstance(row, dict)])

    def at_once() -> NDArray[Any]:
        parts = [
            codec.decode(values[start : start + 1000]).array
            for start in range(0, len(values), 1000)
        ]
        return np.concatenate(parts)

    if not np.array_equal(one_by_one(), at_once()):
        raise RuntimeError("the decoders differ")
    ratios = [_time(one_by_one) / _time(at_once) for _ in range(ROUNDS)]
    rate = AVRO_RECORDS / _time(at_once)
    return f"{statistics.median(ratios):5.1f}  (goal 5; {rate:,.0f} records/s)"


def _time(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
