"""JSON records: named fields or arrays, bad records named by their field."""

import math
from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from kafkaml.exceptions import FormatError
from kafkaml.formats import JsonFormat
from kafkaml.records import record_format
from kafkaml.records.json import JsonCodec

FINITE = st.floats(allow_nan=False, allow_infinity=False)


def json_codec(fields: tuple[str, ...] | None) -> JsonCodec:
    return JsonCodec(JsonFormat(fields))


def test_fields_are_columns_in_the_order_of_their_names() -> None:
    codec = json_codec(("b", "a"))
    decoded = codec.decode([b'{"a": 1, "b": 2, "c": "more"}', b'{"b": 4.5, "a": true}'])
    assert decoded.array.tolist() == [[2, 1], [4.5, 1]]
    assert decoded.array.dtype == np.float64
    assert codec.shape == (2,)


@pytest.mark.parametrize(
    ("content", "shape"),
    [(b"5", (1,)), (b"[5, 6]", (2,)), (b"[[1, 2, 3], [4, 5, 6]]", (2, 3))],
)
def test_one_field_can_hold_an_array(content: bytes, shape: tuple[int, ...]) -> None:
    decoded = json_codec(("x",)).decode([b'{"x": ' + content + b"}"] * 2)
    assert decoded.array.shape == (2, *shape)
    assert not decoded.bad


def test_without_names_the_value_is_the_array() -> None:
    codec = json_codec(None)
    assert codec.decode([b"[[1, 2], [3, 4]]"]).array.shape == (1, 2, 2)
    assert codec.decode([b"1", b"2.5"]).array.tolist() == [1, 2.5]


def test_a_label_is_a_field_of_the_same_value() -> None:
    config = {"data_fields": ["x", "y"], "label_fields": ["z"]}
    format_ = record_format("JSON", config)
    assert format_.labels_in_value
    value = [b'{"x": 1, "y": 2, "z": 3}']
    assert format_.features.decode(value).array.tolist() == [[1, 2]]
    assert format_.labels.decode(value).array.tolist() == [[3]]


BAD_VALUES = [
    (None, "the value is null"),
    (b"", "not JSON"),
    (b'{"a": 1, "b": 2', "not JSON"),
    (b'{"a": NaN, "b": 2}', "not JSON"),
    (b'{"a": 1e400, "b": 2}', "not JSON"),
    (b"\xff", "not JSON"),
    (b"[" * 100_000, "not JSON"),
    (b"[1, 2]", "not a JSON object"),
    (b"3", "not a JSON object"),
    (b"null", "not a JSON object"),
    (b'{"a": 1}', "the field 'b' is missing"),
    (b'{"a": 1, "b": null}', "the field 'b' is null"),
    (b'{"a": 1, "b": "2"}', "the field 'b' is a text"),
    (b'{"a": 1, "b": {}}', "the field 'b' is an object"),
    (b'{"a": 1, "b": ["x"]}', "the field 'b' holds something else than numbers"),
    (b'{"a": 1, "b": [1, "x"]}', "the field 'b' holds something else than numbers"),
    (b'{"a": 1, "b": [[1], [1, 2]]}', "the field 'b' is not a rectangular array"),
    (b'{"a": 1, "b": [1, [2]]}', "the field 'b' holds something else than numbers"),
    (b'{"a": 1, "b": []}', "the field 'b' is an empty array"),
    (b'{"a": 1, "b": [2]}', "the field 'b' is not one number"),
    (
        b'{"a": 1, "b": ' + b"[" * 50 + b"1" + b"]" * 50 + b"}",
        "the field 'b' is not a rect",
    ),
]


@pytest.mark.parametrize(("bad", "reason"), BAD_VALUES)
def test_bad_records_are_named_and_the_rest_is_kept(bad: bytes | None, reason: str) -> None:
    good = b'{"a": 1, "b": 2}'
    decoded = json_codec(("a", "b")).decode([good, bad, good])
    assert decoded.array.tolist() == [[1, 2], [1, 2]]
    assert decoded.good.tolist() == [0, 2]
    (only,) = decoded.bad
    assert only.index == 1
    assert reason in only.reason


def test_arrays_with_an_unusual_shape_are_bad() -> None:
    decoded = json_codec(None).decode([b"[1]", b"[1, 2]", b"[3, 4]", b"5"])
    assert decoded.array.tolist() == [[1, 2], [3, 4]]
    assert [bad.index for bad in decoded.bad] == [0, 3]
    assert decoded.bad[0].reason == "its array has shape (1,), most have (2,)"


def test_a_batch_of_halves_of_records_is_not_joined() -> None:
    decoded = json_codec(None).decode([b"1, 2", b"[3", b"4]"])
    assert len(decoded.bad) == 3


@pytest.mark.parametrize(
    "names",
    ["x", [], [1], ["x", "x"], {"x": 1}, 3, [None], [str(n) for n in range(10_001)]],
)
def test_names_must_be_a_list_of_different_texts(names: object) -> None:
    with pytest.raises(FormatError, match="data_fields: "):
        JsonFormat.from_config({"data_fields": names}, "data_fields")


def test_the_label_needs_a_name() -> None:
    with pytest.raises(FormatError, match="label_fields: "):
        record_format("JSON", {"data_fields": ["x"]})


@given(arrays.arrays(np.float64, st.tuples(st.integers(1, 5), st.just(3)), elements=FINITE))
def test_what_is_encoded_is_decoded(rows: np.ndarray[Any, Any]) -> None:
    for codec in (json_codec(("a", "b", "c")), json_codec(("a",)), json_codec(None)):
        np.testing.assert_array_equal(codec.decode(codec.encode(rows)).array, rows)


JSON = st.recursive(
    st.none() | st.booleans() | FINITE | st.integers(-(2**70), 2**70) | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["a", "b", "c"]), inner, max_size=3)
    ),
    max_leaves=12,
)


def dumps(content: Any) -> bytes:
    try:
        return orjson.dumps(content)
    except TypeError:  # an integer of more than 64 bits
        return b'{"a": 1' + b"0" * 30 + b', "b": 2}'


@given(st.lists(st.none() | st.binary(max_size=9) | JSON.map(dumps), max_size=12))
def test_no_value_raises_and_good_rows_do_not_depend_on_their_neighbours(
    values: list[bytes | None],
) -> None:
    for codec in (json_codec(("a", "b")), json_codec(("a",)), json_codec(None)):
        decoded = codec.decode(values)
        places = sorted([*decoded.good.tolist(), *(bad.index for bad in decoded.bad)])
        assert places == list(range(len(values)))
        for row, index in zip(decoded.array, decoded.good, strict=True):
            alone = codec.decode([values[index]])
            np.testing.assert_array_equal(alone.array[0], row)
            assert all(math.isfinite(number) for number in row.ravel())


@pytest.mark.parametrize("rows", [np.ones(()), np.ones((2, 2)), np.ones(2)])
def test_rows_of_another_width_are_not_encoded(rows: np.ndarray[Any, Any]) -> None:
    with pytest.raises(FormatError):
        json_codec(("a", "b", "c")).encode(rows)
