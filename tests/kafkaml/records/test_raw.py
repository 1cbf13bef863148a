"""RAW records: types and shapes by name, batches as views, bad records named."""

import struct
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from kafkaml.exceptions import FormatError
from kafkaml.formats import RawFormat
from kafkaml.formats.raw import raw_format
from kafkaml.records import codec_for, feature_codec
from kafkaml.records.base import BadRecord, Codec
from kafkaml.records.raw import RawCodec

TENSORFLOW_BYTES = {
    "half": 2, "float": 4, "float32": 4, "double": 8, "int8": 1, "int16": 2, "int32": 4,
    "int64": 8, "uint8": 1, "uint16": 2, "bool": 1,
}  # fmt: skip
NUMPY_BYTES = {"float64": 8, "float16": 2, "uint32": 4, "uint64": 8, "bool_": 1}


def codec_of(type_name: object, reshape: object = None) -> Codec:
    return feature_codec("RAW", {"data_type": type_name, "data_reshape": reshape})


@pytest.mark.parametrize(
    ("name", "size"), [*TENSORFLOW_BYTES.items(), *NUMPY_BYTES.items()]
)
def test_names_of_tensorflow_and_numpy_are_known(name: str, size: int) -> None:
    decoded = codec_of(name, "3").decode([bytes(3 * size)])
    assert decoded.array.shape == (1, 3)
    assert decoded.array.dtype.itemsize == size
    assert not decoded.bad


@pytest.mark.parametrize(
    "name", ["object", "O", "V8", "U9999999", "S4", "complex128", "datetime64", "<f4",
             "i4,i4", "EagerTensor", "", None, 4, ["float32"], "float32 ", "x" * 10_000],
)  # fmt: skip
def test_other_types_are_refused(name: object) -> None:
    with pytest.raises(
        FormatError, match=r"data_type: .* is not a type of records"
    ) as error:
        codec_of(name)
    assert len(str(error.value)) < 300


@pytest.mark.parametrize(
    "reshape", ["28 0", "-1 -1", "-1", "28x28", "28,28", "1.5", "9999999999", " ", "٣", 28,
                [28, 28], " ".join(["1"] * 65), "2147483647 2147483647", "1 " * 10_000],
)  # fmt: skip
def test_other_shapes_are_refused(reshape: object) -> None:
    with pytest.raises(FormatError, match="data_reshape: ") as error:
        codec_of("uint8", reshape)
    assert len(str(error.value)) < 300


@pytest.mark.parametrize("config", [{}, {"data_reshape": "3"}])
def test_a_type_must_be_there(config: dict[str, Any]) -> None:
    with pytest.raises(FormatError, match="data_type"):
        feature_codec("RAW", config)


def test_bad_records_are_named_and_the_rest_is_kept() -> None:
    values = [bytes([1] * 64), bytes(60), None, b"", bytes([2] * 64), bytes(65)]
    decoded = codec_of("uint8", "8 8").decode(values)
    assert decoded.array.shape == (2, 8, 8)
    assert decoded.array[:, 0, 0].tolist() == [1, 2]
    assert decoded.good.tolist() == [0, 4]
    assert decoded.bad == (
        BadRecord(1, "the value has 60 bytes, a record of uint8 8 8 has 64"),
        BadRecord(2, "the value is null"),
        BadRecord(3, "the value has 0 bytes, a record of uint8 8 8 has 64"),
        BadRecord(5, "the value has 65 bytes, a record of uint8 8 8 has 64"),
    )


def test_a_missing_label_is_a_bad_record() -> None:
    config = {"label_type": "uint8", "label_reshape": "1"}
    decoded = codec_for(raw_format(config, "label")).decode([b"\x03", None])
    assert decoded.array.tolist() == [[3]]
    assert decoded.bad == (BadRecord(1, "the key is null"),)


@pytest.mark.parametrize("reshape", [None, ""])
def test_without_a_shape_the_records_decide(reshape: str | None) -> None:
    codec = codec_of("int16", reshape)
    assert codec.shape is None
    assert codec.decode([b"\1\0", b"\2\0"]).array.tolist() == [1, 2]
    vectors = codec.decode([b"\1\0\2\0", b"\3\0\4\0", b"\5\0", b"\5"])
    assert vectors.array.tolist() == [[1, 2], [3, 4]]
    assert [bad.index for bad in vectors.bad] == [2, 3]


@pytest.mark.parametrize(
    ("type_name", "key", "label"),
    [
        ("int8", bytes([7]), 7),
        ("bool", bytes([True]), True),
        ("float", struct.pack("f", 0.25), 0.25),
        ("string", "señal".encode(), "señal"),
    ],
)
@pytest.mark.parametrize("reshape", [None, "1"])
def test_labels_of_the_first_sinks_are_read(
    type_name: str, key: bytes, label: object, reshape: str | None
) -> None:
    config = {"label_type": type_name, "label_reshape": reshape}
    decoded = codec_for(raw_format(config, "label")).decode([key])
    assert decoded.array.ravel().tolist() == [label]
    assert decoded.array.shape == ((1,) if reshape is None else (1, 1))


def test_any_byte_but_zero_is_true() -> None:
    array = codec_of("bool", "3").decode([b"\x00\x01\xff"]).array
    assert array.tolist() == [[False, True, True]]
    assert array.view(np.uint8).max() == 1


def test_bad_texts_are_named() -> None:
    values = [b"ok", b"\xff", None, b"a\0b", b"x" * 20_000, b"x" * 50_000, b""]
    decoded = codec_of("string").decode(values)
    assert decoded.array.tolist() == ["ok", ""]
    assert [bad.index for bad in decoded.bad] == [1, 2, 3, 4, 5]


def test_a_text_has_no_shape() -> None:
    with pytest.raises(FormatError, match="one text"):
        codec_of("string", "2")


def test_a_batch_is_a_view_of_its_bytes() -> None:
    array = codec_of("float32", "4").decode([bytes(16)] * 3).array
    assert array.base is not None
    assert not array.flags.writeable


@given(
    arrays.arrays(
        st.sampled_from(
            [np.dtype(name) for name in ("u1", "<i4", ">i4", "<f4", "<f8", "?")]
        ),
        arrays.array_shapes(min_dims=1, max_dims=4, max_side=4),
    )
)
def test_what_is_encoded_is_decoded(array: np.ndarray[Any, Any]) -> None:
    codec = RawCodec(RawFormat(array.dtype.newbyteorder("<").str, array.shape[1:]))
    decoded = codec.decode(codec.encode(array))
    assert not decoded.bad
    np.testing.assert_array_equal(decoded.array, array)


@given(st.lists(st.none() | st.binary(max_size=20)), st.sampled_from([None, "1", "2 2"]))
def test_no_bytes_raise(values: list[bytes | None], reshape: str | None) -> None:
    for type_name in ("uint8", "float32", "bool", "string"):
        if type_name == "string" and reshape == "2 2":
            continue
        decoded = codec_of(type_name, reshape).decode(values)
        assert len(decoded.array) == len(decoded.good)
        places = sorted([*decoded.good.tolist(), *(bad.index for bad in decoded.bad)])
        assert places == list(range(len(values)))


@pytest.mark.parametrize(
    ("type_name", "rows", "reason"),
    [
        ("uint8", [[300]], "does not have"),
        ("uint8", [[-1]], "does not have"),
        ("uint8", [[0.5]], "float64, not uint8"),
        ("float32", [["1"]], "not float32"),
        ("float32", [[1.0, 2.0]], r"shape \(2,\), not \(1,\)"),
        ("float32", [[]], "no records"),
    ],
)
def test_rows_that_do_not_fit_are_not_encoded(
    type_name: str, rows: list[list[Any]], reason: str
) -> None:
    with pytest.raises(FormatError, match=reason):
        codec_of(type_name, "1").encode(np.array(rows))
