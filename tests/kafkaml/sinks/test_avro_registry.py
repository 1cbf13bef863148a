"""The AVRO sink with a registry, and with fields that are no numbers."""

from collections.abc import Iterator

import pytest

from kafkaml.config import KafkaSettings
from kafkaml.exceptions import FormatError
from kafkaml.records import record_format
from kafkaml.schema_registry import SchemaRegistry
from kafkaml.sinks import AvroSink
from kafkaml.sinks.base import SinkOptions
from tests.kafkaml.logs import read_announcements, read_ranges
from tests.support.schema_registry import Registry, schema_registry

READING = {
    "type": "record",
    "name": "Reading",
    "fields": [
        {"name": "station", "type": "string"},
        {"name": "level", "type": "double"},
        {"name": "alarm", "type": "boolean"},
    ],
}
SAMPLES = [
    {"station": "north", "level": 1.5, "alarm": True},
    {"station": "south", "level": 2.5, "alarm": False},
]


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> Iterator[Registry]:
    with schema_registry() as running:
        monkeypatch.setenv("KAFKA_ML_SCHEMA_REGISTRY_URL", running.url)
        yield running


@pytest.mark.parametrize("wire_format", ["plain", "confluent"])
def test_fields_are_picked_and_labels_lie_in_the_record(
    options: SinkOptions, registry: Registry, wire_format: str
) -> None:
    options["partitions"] = 1
    with AvroSink(
        data_schema=READING,
        data_fields=["level"],
        label_fields=["alarm"],
        wire_format="confluent" if wire_format == "confluent" else "plain",
        **options,
    ) as sink:
        sink.send_many(SAMPLES)
        with pytest.raises(FormatError, match="labels are fields of the data"):
            sink.send(SAMPLES[0], {"alarm": True})
    servers = str(options["bootstrap_servers"])
    (message,) = read_announcements(servers, str(options["control_topic"]))
    values = [record.value for record in read_ranges(servers, message.ranges)]
    read = record_format(message.input_format, message.input_config)
    assert read.labels_in_value
    assert read.features.decode(values).array.tolist() == [[1.5], [2.5]]
    assert read.labels.decode(values).array.tolist() == [[1], [0]]
    named = [f"{options['topic']}-value"] if wire_format == "confluent" else []
    assert list(registry.subjects) == named


def test_schemas_of_data_and_label_are_registered(
    options: SinkOptions, registry: Registry
) -> None:
    with AvroSink(
        data_schema="double", label_schema="int", wire_format="confluent", **options
    ) as sink:
        sink.send_many([1.0, 2.0], [0, 1])
    assert set(registry.subjects) == {
        f"{options['topic']}-value",
        f"{options['topic']}-key",
    }
    client = SchemaRegistry(KafkaSettings())
    assert [client.schema(each) for each in (1, 2)] == ['"double"', '"int"']
