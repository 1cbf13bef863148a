"""What the sinks of the original Kafka-ML write is read as it was meant."""

import io
import json
from collections.abc import Callable
from typing import Any

import fastavro
import numpy as np
import pytest
from confluent_kafka.admin import AdminClient, NewTopic

from kafkaml.control import ControlMessage
from kafkaml.records import record_format
from tests.kafkaml.logs import read_ranges
from tests.support.original_sink import IGNORE_ITS_WARNING, KafkaConsumer, OriginalSink

pytestmark = IGNORE_ITS_WARNING

DATA_SCHEMA = """{"namespace": "data.ertis.uma.es",
 "type": "record",
 "name": "HCOPD",
 "fields": [
     {"name": "gender", "type": "float"},
     {"name": "age", "type": "float"},
     {"name": "smoking", "type": "float"}
 ]
}"""
LABEL_SCHEMA = """{"namespace": "label.ertis.uma.es",
 "type": "record",
 "name": "HCOPD",
 "fields": [
     {"name": "diagnosis", "type": "boolean"}
 ]
}"""


class ReadableSink(OriginalSink):
    """The original sink, and how a trainer reads what it wrote."""

    def announcement(self) -> ControlMessage:
        """Return the control message as a trainer reads it."""
        consumer = KafkaConsumer(
            self.control_topic,
            bootstrap_servers=self.bootstrap,
            auto_offset_reset="earliest",
            consumer_timeout_ms=20_000,
        )
        record = next(consumer)
        consumer.close()
        return ControlMessage.from_record(record.key, record.value)

    def arrays(self) -> tuple[Any, Any]:
        """Return data and labels as a trainer reads them, in the order of the ranges."""
        message = self.announcement()
        records = read_ranges(self.bootstrap, message.ranges)
        assert len(records) == message.total_msg
        format_ = record_format(message.input_format, message.input_config)
        features = format_.features.decode([record.value for record in records])
        labels = format_.labels.decode([record.key for record in records])
        assert not features.bad
        assert not labels.bad
        return features.array, labels.array


@pytest.fixture
def sink(kafka_bootstrap: str, topic_name: Callable[[str], str]) -> ReadableSink:
    topic, control_topic = topic_name("data"), topic_name("control")
    admin = AdminClient({"bootstrap.servers": kafka_bootstrap})
    made = admin.create_topics([NewTopic(topic, 2), NewTopic(control_topic, 1)])
    for each in made.values():
        each.result(30)
    return ReadableSink(kafka_bootstrap, topic, control_topic)


def by_first(features: Any, labels: Any) -> dict[float, Any]:
    """Match labels to samples: two partitions are read one after the other."""
    firsts = features.reshape(len(features), -1)[:, 0].tolist()
    return dict(zip(firsts, labels.tolist(), strict=True))


def test_raw_images_with_numpy_labels(sink: ReadableSink) -> None:
    images = np.arange(12 * 3 * 2, dtype=np.uint8).reshape(12, 3, 2)
    labels = np.arange(12, dtype=np.uint8) % 10
    sink.send(
        (image.tobytes(), label.tobytes())
        for image, label in zip(images, labels, strict=True)
    )
    # The shape of a NumPy scalar is written as 1.
    config = {
        "data_type": "uint8",
        "label_type": "uint8",
        "data_reshape": "3 2",
        "label_reshape": "1",
    }
    sink.close(255, "RAW", config)
    message = sink.announcement()
    assert message.deployment_id == 255
    assert message.total_msg == 12
    features, read_labels = sink.arrays()
    assert features.shape == (12, 3, 2)
    assert read_labels.shape == (12, 1)
    expected = {image[0, 0]: [label] for image, label in zip(images, labels, strict=True)}
    assert by_first(features, read_labels) == expected


def test_raw_rows_of_float64_which_the_original_cannot_train_on(sink: ReadableSink) -> None:
    rows = np.arange(8, dtype=np.float64).reshape(4, 2)
    sink.send((row.tobytes(), np.float64(row[0] / 2).tobytes()) for row in rows)
    config = {
        "data_type": "float64",
        "label_type": "float64",
        "data_reshape": "2",
        "label_reshape": "1",
    }
    sink.close(1, "RAW", config)
    features, labels = sink.arrays()
    assert features.dtype == np.float64
    assert by_first(features, labels) == {0: [0], 2: [1], 4: [2], 6: [3]}


def test_raw_without_shapes(sink: ReadableSink) -> None:
    rows = np.arange(6, dtype=np.int16).reshape(3, 2)
    sink.send((row.tobytes(), np.uint8(row[1]).tobytes()) for row in rows)
    config = {
        "data_type": "int16",
        "label_type": "uint8",
        "data_reshape": None,
        "label_reshape": None,
    }
    sink.close(1, "RAW", config)
    features, labels = sink.arrays()
    assert features.shape == (3, 2)
    assert labels.shape == (3,)
    assert by_first(features, labels) == {0: 1, 2: 3, 4: 5}


def test_avro_records(sink: ReadableSink) -> None:
    def written(schema: str, record: dict[str, Any]) -> bytes:
        buffer = io.BytesIO()
        fastavro.schemaless_writer(buffer, json.loads(schema), record)
        return buffer.getvalue()

    sink.send(
        (
            written(DATA_SCHEMA, {"gender": -0.5, "age": age, "smoking": 0.5}),
            written(LABEL_SCHEMA, {"diagnosis": age > 0}),
        )
        for age in (-1.5, 0.0, 1.5)
    )
    sink.close(7, "AVRO", {"data_scheme": DATA_SCHEMA, "label_scheme": LABEL_SCHEMA})
    features, labels = sink.arrays()
    assert features.dtype == np.float32
    assert features.shape == (3, 3)
    assert labels.shape == (3, 1)
    ages = dict(zip(features[:, 1].tolist(), labels[:, 0].tolist(), strict=True))
    assert ages == {-1.5: 0, 0.0: 0, 1.5: 1}


def test_the_announcement_of_an_online_stream() -> None:
    value = {
        "topic": "clicks",
        "unsupervised_topic": None,
        "input_format": "RAW",
        "description": "",
        "input_config": {"data_type": "uint8", "label_type": "uint8"},
        "validation_rate": 0.1,
        "test_rate": 0,
        "total_msg": None,
        "dataset_restrictions": {},
        "incremental": True,
    }
    message = ControlMessage.from_record(bytes([3]), json.dumps(value).encode("utf-8"))
    assert message.deployment_id == 3
    assert message.ranges == ()
    assert message.topic == "clicks"
    assert message.incremental
