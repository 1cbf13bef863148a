"""What a stream is follows from its configuration, and so do its codecs."""

from typing import Any

import pytest

from kafkaml.exceptions import FormatError
from kafkaml.formats import (
    AvroFormat,
    Format,
    JsonFormat,
    RawFormat,
    TextFormat,
    feature_format,
    stream_format,
)
from kafkaml.records import codec_for


def test_a_raw_stream_is_a_type_and_a_shape_of_data_and_label() -> None:
    config = {"data_type": "uint8", "data_reshape": "28 28", "label_type": "string"}
    stream = stream_format("RAW", config)
    assert stream.features == RawFormat("|u1", (28, 28), "value")
    assert stream.labels == TextFormat((), "key")
    assert not stream.labels_in_value


def test_a_json_stream_has_its_labels_in_the_value() -> None:
    stream = stream_format("JSON", {"label_fields": ["busy"]})
    assert stream.features == JsonFormat(None)
    assert stream.labels == JsonFormat(("busy",))
    assert stream.labels_in_value


def test_an_avro_stream_has_a_schema_of_each() -> None:
    record = '{"type": "record", "name": "R", "fields": [{"name": "x", "type": "int"}]}'
    stream = stream_format("AVRO", {"data_scheme": record, "label_scheme": "int"})
    assert isinstance(stream.features, AvroFormat)
    assert stream.features.fields == ("x",)
    assert [stream.features.shape, stream.labels.shape] == [(1,), ()]


@pytest.mark.parametrize(
    ("name", "config"),
    [
        ("RAW", {"data_type": "uint8"}),
        ("AVRO", {"data_scheme": "int"}),
        ("JSON", {"data_fields": ["x"]}),
        ("IMAGE", {"height": 8, "width": 8}),
        ("AUDIO", {"samples": 8, "rate": 8000}),
    ],
)
def test_labels_need_a_configuration_of_their_own(
    name: str, config: dict[str, Any]
) -> None:
    assert feature_format(name, config)
    with pytest.raises(FormatError, match="label_"):
        stream_format(name, config)


@pytest.mark.parametrize(
    "described",
    [
        RawFormat("<f4", (2, 3)),
        RawFormat("<f4", None),
        TextFormat((1,)),
        JsonFormat(None),
        JsonFormat(("a", "b")),
        feature_format("AVRO", {"data_scheme": "double"}),
    ],
)
def test_a_codec_has_the_shape_of_its_format(described: Format) -> None:
    assert codec_for(described).shape == described.shape
