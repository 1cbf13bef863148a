"""AVRO records: schemas of numbers, the fast paths against fastavro, bad records named."""

import io
import json
from typing import Any

import fastavro
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kafkaml.exceptions import FormatError
from kafkaml.formats import AvroFormat
from kafkaml.records import feature_codec
from kafkaml.records.avro import AvroCodec

SYMBOLS = ["calm", "busy", "loud"]
NUMBERS: dict[str, st.SearchStrategy[Any]] = {
    "boolean": st.booleans(),
    "int": st.integers(-(2**31), 2**31 - 1),
    "long": st.integers(-(2**63), 2**63 - 1),
    "float": st.floats(width=32, allow_nan=False),
    "double": st.floats(allow_nan=False),
    "enum": st.sampled_from(SYMBOLS),
}


def avro_codec(schema: Any) -> AvroCodec:
    return AvroCodec(AvroFormat.from_config({"data_scheme": schema}, "data_scheme"))


def record_of(*types: Any) -> dict[str, Any]:
    fields = [{"name": f"f{place}", "type": each} for place, each in enumerate(types)]
    return {"type": "record", "name": "Sample", "fields": fields}


def written(schema: Any, *records: Any) -> list[bytes]:
    values = []
    for record in records:
        buffer = io.BytesIO()
        fastavro.schemaless_writer(buffer, fastavro.parse_schema(schema), record)
        values.append(buffer.getvalue())
    return values


def enum_type(place: int) -> dict[str, Any]:
    return {"type": "enum", "name": f"Mood{place}", "symbols": SYMBOLS}


@st.composite
def flat_batches(draw: st.DrawFn) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    kinds = draw(st.lists(st.sampled_from(list(NUMBERS)), min_size=1, max_size=8))
    types = [
        enum_type(place) if kind == "enum" else kind for place, kind in enumerate(kinds)
    ]
    record = st.fixed_dictionaries(
        {f"f{place}": NUMBERS[kind] for place, kind in enumerate(kinds)}
    )
    return record_of(*types), draw(st.lists(record, max_size=20))


def as_row(record: dict[str, Any]) -> list[float]:
    values = [record[name] for name in sorted(record)]
    return [SYMBOLS.index(each) if isinstance(each, str) else each for each in values]


@given(flat_batches())
def test_flat_records_are_read_as_fastavro_wrote_them(
    batch: tuple[dict[str, Any], list[dict[str, Any]]],
) -> None:
    schema, records = batch
    codec = avro_codec(schema)
    values = written(schema, *records)
    decoded = codec.decode(values)
    assert not decoded.bad
    assert codec.shape == (len(schema["fields"]),)
    expected = [as_row(record) for record in records]
    np.testing.assert_array_equal(
        decoded.array,
        np.array(expected, decoded.array.dtype).reshape(
            len(records), len(schema["fields"])
        ),
    )


@given(flat_batches())
def test_flat_rows_are_written_as_fastavro_writes_them(
    batch: tuple[dict[str, Any], list[dict[str, Any]]],
) -> None:
    schema, records = batch
    table = np.array([as_row(record) for record in records], dtype=object)
    kinds = {each["type"] for each in schema["fields"] if isinstance(each["type"], str)}
    # A table has one type: take int64 where all is whole, else float64 without large longs.
    whole = not kinds & {"float", "double"}
    if not records or (not whole and "long" in kinds):
        return
    rows = table.astype(np.int64 if whole else np.float64)
    assert avro_codec(schema).encode(rows) == written(schema, *records)


@given(flat_batches(), st.data())
def test_cut_and_prolonged_records_are_named(
    batch: tuple[dict[str, Any], list[dict[str, Any]]], data: st.DataObject
) -> None:
    schema, records = batch
    values: list[bytes | None] = []
    spoilt = set()
    for index, value in enumerate(written(schema, *records)):
        match data.draw(st.sampled_from(["keep", "keep", "cut", "prolong", "drop"])):
            case "keep":
                values.append(value)
                continue
            case "cut":
                values.append(value[: data.draw(st.integers(0, len(value) - 1))])
            case "prolong":
                values.append(value + data.draw(st.binary(min_size=1, max_size=3)))
            case _:
                values.append(None)
        spoilt.add(index)
    decoded = avro_codec(schema).decode(values)
    assert {bad.index for bad in decoded.bad} == spoilt
    kept = [as_row(each) for index, each in enumerate(records) if index not in spoilt]
    np.testing.assert_array_equal(
        decoded.array,
        np.array(kept, decoded.array.dtype).reshape(len(kept), len(schema["fields"])),
    )


NASTY_SCHEMAS = [
    record_of("int", "long", "float", "boolean", enum_type(4)),
    record_of("float", "double"),
    record_of(["null", "int"], {"type": "array", "items": "double"}),
    record_of({"type": "array", "items": {"type": "array", "items": ["null", "int"]}}),
    "long",
    {"type": "array", "items": "int"},
]


@pytest.mark.parametrize("schema", NASTY_SCHEMAS)
@given(values=st.lists(st.none() | st.binary(max_size=40), max_size=20))
@settings(max_examples=60)
def test_no_bytes_raise(schema: Any, values: list[bytes | None]) -> None:
    decoded = avro_codec(schema).decode(values)
    assert len(decoded.array) == len(decoded.good)
    places = sorted([*decoded.good.tolist(), *(bad.index for bad in decoded.bad)])
    assert places == list(range(len(values)))


@pytest.mark.parametrize("schema", NASTY_SCHEMAS)
@pytest.mark.parametrize(
    "bomb",
    [
        b"\xff" * 100_000,
        b"\xff" * 9 + b"\x01",
        b"\xfe" + b"\xff" * 8 + b"\x01",
        b"\x80" * 20,
    ],
)
def test_bombs_are_bad_records(schema: Any, bomb: bytes) -> None:
    # The third is the item count 2**63 - 1, the second a negative one.
    decoded = avro_codec(schema).decode([bomb] * 3)
    assert len(decoded.array) + len(decoded.bad) == 3


@pytest.mark.parametrize(
    ("types", "dtype"),
    [
        (["float", "float"], "float32"),
        (["float", "boolean"], "float32"),
        (["double", "float"], "float64"),
        (["float", "int"], "float64"),
        (["int", "long", "boolean", enum_type(3)], "int64"),
        (["boolean", "boolean"], "uint8"),
        ([["null", "float"]], "float32"),
        ([["null", "boolean"]], "float64"),
        ([["null", "long"]], "float64"),
        ([{"type": "array", "items": "int"}], "int64"),
    ],
)
def test_the_schema_alone_decides_the_type(types: list[Any], dtype: str) -> None:
    codec = avro_codec(record_of(*types))
    assert codec.decode([]).array.dtype == dtype
    assert codec.decode([b"", None]).array.dtype == dtype


def test_nested_records_arrays_enums_and_null_become_numbers() -> None:
    inner = {"type": "record", "name": "Inner", "fields": [{"name": "x", "type": "float"}]}
    schema = record_of(
        inner, ["null", "double"], {"type": "array", "items": "Inner"}, enum_type(3)
    )
    records = [
        {"f0": {"x": 1.5}, "f1": None, "f2": [{"x": 2.0}, {"x": 3.0}], "f3": "busy"},
        {"f0": {"x": 4.5}, "f1": 5.0, "f2": [{"x": 6.0}, {"x": 7.0}], "f3": "loud"},
    ]
    codec = avro_codec(schema)
    values = written(schema, *records)
    array = codec.decode(values).array
    np.testing.assert_array_equal(array, [[1.5, np.nan, 2, 3, 1], [4.5, 5, 6, 7, 2]])
    assert codec.shape is None
    assert codec.encode(array) == values


def test_arrays_with_an_unusual_length_are_bad() -> None:
    schema = record_of({"type": "array", "items": "int"})
    values = written(schema, {"f0": [1]}, {"f0": [1, 2]}, {"f0": [3, 4]})
    decoded = avro_codec(schema).decode(values)
    assert decoded.array.tolist() == [[1, 2], [3, 4]]
    assert decoded.bad[0].reason == "the value holds 1 numbers, most hold 2"


@pytest.mark.parametrize(
    ("schema", "record"), [("long", -5), ('"double"', 0.5), ('["null", "int"]', 3)]
)
def test_a_schema_of_one_number_gives_scalars(schema: str, record: float) -> None:
    codec = avro_codec(schema)
    value = written(json.loads(schema) if schema[0] in '["' else schema, record)
    assert codec.shape == ()
    assert codec.decode(value * 2).array.tolist() == [record, record]
    assert codec.encode(np.array([record, record])) == value * 2


def test_logical_types_are_the_numbers_that_are_stored() -> None:
    schema = record_of({"type": "long", "logicalType": "timestamp-millis"}, ["null", "int"])
    assert avro_codec(schema).decode([b"\x02\x02\x04"]).array.tolist() == [[1, 2]]


def recursive_schema() -> dict[str, Any]:
    return record_of("int", ["null", "Sample"])


def deep_schema() -> Any:
    schema: Any = "int"
    for _ in range(120):
        schema = {"type": "array", "items": schema}
    return schema


def exploding_schema() -> dict[str, Any]:
    schema = record_of(*["int"] * 10)
    for level in range(6):
        inner = {**schema, "name": f"L{level}"}
        schema = record_of(inner, *[f"L{level}"] * 9)
    return schema


@pytest.mark.parametrize(
    "schema",
    [
        None, "", " ", "no JSON", "{", "[]", "{}", "1", "null", '"bytes"', 7,
        "[" * 100_000, "x" * 2_000_000, '{"type": "map"}', {"type": "record"}, record_of(),
        record_of("string", "int"), record_of("bytes"), record_of("null"),
        record_of("Unknown"), record_of("int", None),
        record_of({"type": "map", "values": "int"}), record_of(["int", "string"]),
        record_of({"type": "fixed", "name": "F", "size": 4}), record_of(["null"]),
        record_of({"type": "array"}),
        record_of({"type": "enum", "name": "E", "symbols": 3}),
        recursive_schema(), deep_schema(), exploding_schema(),
    ],
)  # fmt: skip
def test_schemas_that_give_neither_numbers_nor_a_text_are_refused(schema: object) -> None:
    with pytest.raises(FormatError) as error:
        feature_codec("AVRO", {"data_scheme": schema})
    assert len(str(error.value)) < 500


def test_the_field_that_is_no_number_is_named() -> None:
    with pytest.raises(FormatError, match="data_scheme: the field f1 is of type string"):
        feature_codec("AVRO", {"data_scheme": json.dumps(record_of("int", "string"))})


@pytest.mark.parametrize(
    ("types", "row", "reason"),
    [
        (["int"], [2.5], "no int"),
        (["int"], [2**31], "no int"),
        (["boolean"], [2], "no boolean"),
        ([enum_type(0)], [3], "no enum"),
        (["long"], [np.nan], "no long"),
        (["int", "int"], [1], "1 numbers, the schema 2"),
        ([["null", "int"]], [0.5], "no int"),
    ],
)
def test_rows_that_do_not_fit_are_not_encoded(
    types: list[Any], row: list[float], reason: str
) -> None:
    with pytest.raises(FormatError, match=reason):
        avro_codec(record_of(*types)).encode(np.array([row]))


def test_a_record_that_does_not_fit_is_not_encoded() -> None:
    with pytest.raises(FormatError, match="does not fit the schema"):
        avro_codec(record_of("int")).encode_one({"f0": "one"})
