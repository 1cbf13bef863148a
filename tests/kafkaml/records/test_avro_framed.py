"""Records in Confluent's wire format, with the schemas of a registry."""

import base64
import io
import json
import struct
from collections.abc import Iterator
from typing import Any

import fastavro
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from kafkaml.config import KafkaSettings
from kafkaml.exceptions import CodecUnavailableError, FormatError
from kafkaml.formats import AvroFormat
from kafkaml.records.avro_framed import FramedAvroCodec
from kafkaml.schema_registry import SchemaRegistry
from kafkaml_local.ports import free_port
from tests.support.schema_registry import Registry, schema_registry

NEW = {
    "type": "record",
    "name": "Reading",
    "fields": [
        {"name": "level", "type": "double"},
        {"name": "noise", "type": "double", "default": -1.0},
    ],
}
OLD = {
    "type": "record",
    "name": "Reading",
    "fields": [{"name": "station", "type": "string"}, {"name": "level", "type": "int"}],
}


@pytest.fixture
def registry() -> Iterator[Registry]:
    with schema_registry() as running:
        yield running


@pytest.fixture
def reader(registry: Registry) -> FramedAvroCodec:
    return codec(registry)


def codec(registry: Registry, *, patience: float = 5.0, **config: Any) -> FramedAvroCodec:
    fields = {"data_scheme": json.dumps(NEW), "wire_format": "confluent", **config}
    described = AvroFormat.from_config(fields, "data_scheme")
    settings = KafkaSettings(schema_registry_url=registry.url)
    return FramedAvroCodec(described, registry=SchemaRegistry(settings, patience=patience))


def record(schema_id: int, schema: Any, **fields: Any) -> bytes:
    buffer = io.BytesIO()
    fastavro.schemaless_writer(buffer, fastavro.parse_schema(schema), fields)
    return b"\0" + struct.pack(">I", schema_id) + buffer.getvalue()


def test_records_of_several_writers_come_out_alike_and_in_order(registry: Registry) -> None:
    old, new = registry.add(OLD), registry.add(NEW)
    values = [
        record(new, NEW, level=1.5, noise=2.5),
        record(old, OLD, station="north", level=3),
        record(new, NEW, level=4.5, noise=5.5),
    ]
    reader = codec(registry)
    decoded = reader.decode(values)
    assert decoded.array.tolist() == [[1.5, 2.5], [3, -1], [4.5, 5.5]]
    assert decoded.array.dtype == np.float64
    reader.decode(values)
    assert sorted(registry.asked) == ["/schemas/ids/1", "/schemas/ids/2"]


def test_what_cannot_be_read_is_named_and_the_rest_is_kept(registry: Registry) -> None:
    good = registry.add(NEW)
    other = registry.add({**OLD, "fields": OLD["fields"][:1]})
    protobuf = registry.add("message", schemaType="PROTOBUF")
    referring = registry.add(OLD, references=[{"name": "a", "subject": "b", "version": 1}])
    broken = registry.add("{")
    value = record(good, NEW, level=1.0, noise=2.0)
    values = [
        value,
        None,
        b"",
        b"\0\0\0",
        b"\1" + value[1:],
        record(999, NEW, level=1.0, noise=2.0),
        record(other, {**OLD, "fields": OLD["fields"][:1]}, station="x"),
        record(protobuf, NEW, level=1.0, noise=2.0),
        record(referring, NEW, level=1.0, noise=2.0),
        record(broken, NEW, level=1.0, noise=2.0),
        value[:-1],
        value,
    ]
    decoded = codec(registry).decode(values)
    assert decoded.good.tolist() == [0, 11]
    reasons = {bad.index: bad.reason for bad in decoded.bad}
    assert reasons[1] == "the value is null"
    assert "a 0 byte and the id of a schema" in reasons[3]
    assert "the registry has no schema 999" in reasons[5]
    assert f"(written by schema {other})" in reasons[6]
    assert "not one of Avro" in reasons[7]
    assert "refers to other schemas" in reasons[8]
    assert "not JSON" in reasons[9]
    assert "ends within a field" in reasons[10]


def test_an_unknown_schema_is_not_asked_for_with_each_batch(registry: Registry) -> None:
    reader = codec(registry)
    for _ in range(3):
        assert reader.decode([b"\0\0\0\0\x07\0"]).bad
    assert registry.asked == ["/schemas/ids/7"]


def test_texts_are_read_in_this_format_too(registry: Registry) -> None:
    writer = registry.add(OLD)
    reader = codec(registry, data_scheme=json.dumps(OLD), data_fields=["station"])
    decoded = reader.decode([record(writer, OLD, station="north", level=3), b"\0\0\0\0\1"])
    assert decoded.array.tolist() == ["north"]
    assert len(decoded.bad) == 1


def test_rows_are_written_with_the_id_of_the_configuration(registry: Registry) -> None:
    reader = codec(registry, data_schema_id=registry.add(NEW))
    rows = np.array([[1.0, 2.0], [3.0, 4.0]])
    values = reader.encode(rows)
    assert {value[:5] for value in values} == {b"\0\0\0\0\x01"}
    np.testing.assert_array_equal(reader.decode(values).array, rows)
    with pytest.raises(FormatError, match="data_schema_id"):
        codec(registry).encode(rows)


def test_a_registry_that_fails_for_a_moment_costs_time_only(registry: Registry) -> None:
    value = record(registry.add(NEW), NEW, level=1.0, noise=2.0)
    registry.failures = 2
    assert codec(registry).decode([value]).array.tolist() == [[1, 2]]


def test_a_registry_that_is_away_is_no_fault_of_the_records(registry: Registry) -> None:
    reader = codec(registry, patience=0.3)
    value = record(registry.add(NEW), NEW, level=1.0, noise=2.0)
    registry.failures = 100
    with pytest.raises(CodecUnavailableError, match="is away: it answers 500"):
        reader.decode([value])
    registry.failures = 0
    assert not reader.decode([value]).bad
    registry.url = f"http://127.0.0.1:{free_port()}"
    with pytest.raises(CodecUnavailableError, match="is away: ConnectError"):
        codec(registry, patience=0.3).decode([value])


def test_the_registry_is_shown_who_asks(registry: Registry) -> None:
    encoded = base64.b64encode(b"reader:word").decode()
    registry.authorization = f"Basic {encoded}"
    schema_id = registry.add(NEW)
    with pytest.raises(CodecUnavailableError, match="answers 401: Unauthorized"):
        SchemaRegistry(KafkaSettings(schema_registry_url=registry.url)).schema(schema_id)
    settings = KafkaSettings(
        schema_registry_url=registry.url,
        schema_registry_username="reader",
        schema_registry_password=SecretStr("word"),
    )
    assert json.loads(SchemaRegistry(settings).schema(schema_id)) == NEW


def test_without_a_registry_the_text_says_what_to_set() -> None:
    reader = SchemaRegistry(KafkaSettings(schema_registry_url=None))
    with pytest.raises(CodecUnavailableError, match="KAFKA_ML_SCHEMA_REGISTRY_URL"):
        reader.schema(1)


def test_no_control_message_can_name_a_registry(registry: Registry) -> None:
    with schema_registry() as foreign:
        reader = codec(registry, schema_registry_url=foreign.url)
        assert reader.decode([b"\0\0\0\0\x01\0"]).bad
        assert not foreign.asked
    with pytest.raises(ValueError, match="schema_registry_url"):
        KafkaSettings(schema_registry_url="http://user:word@registry")


def test_a_schema_that_the_registry_refuses_is_said(registry: Registry) -> None:
    client = SchemaRegistry(KafkaSettings(schema_registry_url=registry.url))
    assert client.register("a b/c-value", json.dumps(NEW)) == 1
    assert registry.subjects == {"a b/c-value": [1]}
    with pytest.raises(FormatError, match="Invalid schema"):
        client.register("x", "bad")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.binary(max_size=40) | st.binary(max_size=20).map(b"\0\0\0\0\1".__add__)))
def test_arbitrary_bytes_are_bad_records_at_worst(
    registry: Registry, reader: FramedAvroCodec, values: list[bytes]
) -> None:
    registry.add(OLD)
    decoded = reader.decode(list(values))
    assert len(decoded.array) + len(decoded.bad) == len(values)
