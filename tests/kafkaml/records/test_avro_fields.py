"""AVRO records that hold more than numbers: fields are picked, texts and decimals read."""

import io
import json
from decimal import Decimal
from typing import Any

import fastavro
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kafkaml.exceptions import FormatError
from kafkaml.formats import stream_format
from kafkaml.records import Codec, feature_codec, record_format

PLACE = {
    "type": "record",
    "name": "Place",
    "fields": [{"name": "x", "type": "double"}, {"name": "y", "type": "double"}],
}
READING = {
    "type": "record",
    "name": "Reading",
    "fields": [
        {"name": "id", "type": "string"},
        {"name": "at", "type": {"type": "long", "logicalType": "timestamp-millis"}},
        {"name": "raw", "type": "bytes"},
        {"name": "place", "type": PLACE},
        {"name": "tags", "type": {"type": "map", "values": "string"}},
        {"name": "level", "type": ["null", "float"]},
        {"name": "either", "type": ["int", "string"]},
        {"name": "alarm", "type": "boolean"},
    ],
}
READINGS = st.fixed_dictionaries(
    {
        "id": st.text(max_size=20),
        "at": st.integers(0, 2**50),
        "raw": st.binary(max_size=5),
        "place": st.fixed_dictionaries(
            {"x": st.floats(allow_nan=False), "y": st.floats(allow_nan=False)}
        ),
        "tags": st.dictionaries(st.text(max_size=3), st.text(max_size=3), max_size=2),
        "level": st.none() | st.floats(width=32, allow_nan=False),
        "either": st.integers(-9, 9) | st.text(max_size=3),
        "alarm": st.booleans(),
    }
)


def written(schema: Any, record: Any) -> bytes:
    buffer = io.BytesIO()
    fastavro.schemaless_writer(buffer, fastavro.parse_schema(schema), record)
    return buffer.getvalue()


def codec(schema: Any, **config: Any) -> Codec:
    return feature_codec("AVRO", {"data_scheme": json.dumps(schema), **config})


@given(st.lists(READINGS, max_size=10))
def test_picked_fields_are_the_columns_in_their_order(records: list[Any]) -> None:
    reader = codec(READING, data_fields=["alarm", "level", "place.y", "at"])
    decoded = reader.decode([written(READING, each) for each in records])
    expected = [
        [
            each["alarm"],
            np.nan if each["level"] is None else each["level"],
            each["place"]["y"],
            each["at"],
        ]
        for each in records
    ]
    assert reader.shape == (4,)
    assert not decoded.bad
    np.testing.assert_array_equal(
        decoded.array, np.array(expected, np.float64).reshape(len(records), 4)
    )


@given(st.lists(READINGS, min_size=1, max_size=10))
def test_labels_can_be_fields_of_the_same_record(records: list[Any]) -> None:
    config = {
        "data_scheme": json.dumps(READING),
        "data_fields": ["place"],
        "label_fields": ["alarm"],
    }
    both = record_format("AVRO", config)
    assert both.labels_in_value
    values: list[bytes | None] = [written(READING, each) for each in records]
    labels = both.labels.decode([*values, None])
    assert labels.array.tolist() == [[each["alarm"]] for each in records]
    assert labels.bad[0].reason == "the value is null"
    features = both.features.decode(values).array
    assert features.tolist() == [
        [each["place"]["x"], each["place"]["y"]] for each in records
    ]


@given(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0")), max_size=9))
def test_a_single_string_gives_texts(texts: list[str]) -> None:
    schema = {
        "type": "record",
        "name": "Review",
        "fields": [
            {"name": "text", "type": "string"},
            {"name": "stars", "type": "int", "default": 0},
        ],
    }
    for reader in (codec(schema, data_fields=["text"]), codec("string")):
        values = reader.encode(np.array(texts, np.str_))
        assert reader.shape == ()
        assert reader.decode(values).array.tolist() == texts


def test_a_text_that_is_null_or_too_long_is_bad() -> None:
    reader = codec(["null", "string"])
    values = [written(["null", "string"], each) for each in (None, "a", "b" * 10_001)]
    decoded = reader.decode([*values, b"\x02", None])
    assert decoded.array.tolist() == ["a"]
    assert [bad.index for bad in decoded.bad] == [0, 2, 3, 4]
    assert decoded.bad[0].reason == "the value does not fit the schema: its text is null"


@given(st.lists(st.integers(-(10**8), 10**8), min_size=1, max_size=9))
def test_decimals_are_numbers(cents: list[int]) -> None:
    kinds: tuple[dict[str, Any], ...] = (
        {"type": "bytes"},
        {"type": "fixed", "name": "F", "size": 8},
    )
    fields = [
        {
            "name": f"price{place}",
            "type": {**kind, "logicalType": "decimal", "precision": 12, "scale": 2},
        }
        for place, kind in enumerate(kinds)
    ]
    schema = {"type": "record", "name": "Sale", "fields": fields}
    reader = codec(schema)
    records = [
        written(schema, {"price0": Decimal(each) / 100, "price1": Decimal(-each) / 100})
        for each in cents
    ]
    decoded = reader.decode(records)
    assert decoded.array.tolist() == [[each / 100, -each / 100] for each in cents]
    assert reader.encode(decoded.array) == records


@given(st.lists(st.integers(-(2**31), 2**31 - 1), min_size=3, max_size=3))
def test_picking_from_a_flat_record_costs_no_exactness(numbers: list[int]) -> None:
    names = "abc"
    fields = [{"name": name, "type": "int"} for name in names]
    schema = {"type": "record", "name": "R", "fields": fields}
    value = written(schema, dict(zip(names, numbers, strict=True)))
    reader = codec(schema, data_fields=["c", "a"])
    assert reader.decode([value]).array.tolist() == [[numbers[2], numbers[0]]]


def test_rows_of_picked_fields_are_written_if_the_others_have_defaults() -> None:
    fields = [
        {"name": "id", "type": "string", "default": ""},
        {"name": "place", "type": PLACE},
    ]
    schema = {"type": "record", "name": "R", "fields": fields}
    reader = codec(schema, data_fields=["place.y", "place.x"])
    assert reader.decode(reader.encode(np.array([[1.0, 2.0]]))).array.tolist() == [[1, 2]]
    with pytest.raises(FormatError, match="does not fit the schema"):
        codec(READING, data_fields=["level"]).encode(np.array([[1.0]]))


@given(st.lists(st.binary(max_size=60), max_size=10))
def test_arbitrary_bytes_are_bad_records_at_worst(values: list[bytes]) -> None:
    for reader in (
        codec(READING, data_fields=["level", "place"]),
        codec(READING, data_fields=["id"]),
        codec({"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2}),
    ):
        decoded = reader.decode(list(values))
        assert len(decoded.array) + len(decoded.bad) == len(values)


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        ({}, "the field id is of type string.*name the fields to use in data_fields"),
        ({"data_fields": ["nothing"]}, "no field 'nothing'"),
        ({"data_fields": ["place.z"]}, "no field 'place.z'"),
        ({"data_fields": ["id", "at"]}, "the field id is of type string"),
        ({"data_fields": ["raw"]}, "the field raw is of type bytes"),
        ({"data_fields": ["tags"]}, "the field tags is of type map"),
        ({"data_fields": ["either"]}, "the field either is a union"),
        ({"data_fields": []}, "1 to 10000 fields"),
        ({"data_fields": ["at", "at"]}, "texts that differ"),
        ({"data_fields": "at"}, "1 to 10000 fields"),
        ({"data_fields": ["at"], "wire_format": "other"}, "use plain, confluent"),
        ({"data_fields": ["at"], "data_schema_id": "7"}, "data_schema_id: give a whole"),
    ],
)
def test_what_cannot_be_used_is_named(config: dict[str, Any], reason: str) -> None:
    with pytest.raises(FormatError, match=reason):
        codec(READING, **config)


def test_labels_in_the_record_need_the_names_of_the_data() -> None:
    config = {"data_scheme": "int", "label_fields": ["alarm"]}
    with pytest.raises(FormatError, match="data_fields: name the fields"):
        stream_format("AVRO", config)


def test_a_logical_type_that_breaks_its_rules_is_what_it_is_stored_as() -> None:
    schema = {"type": "bytes", "logicalType": "decimal", "precision": 2, "scale": 3}
    with pytest.raises(FormatError, match="of type bytes"):
        codec(schema)
