import io
import json
import math

import fastavro
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from inferencer.exceptions import RecordFormatError
from inferencer.outputs import (
    check_label,
    encode_avro,
    encode_json,
    encode_labels,
    encode_raw,
    encoder_for,
)
from kafkaml.records.base import Array
from kafkaml.schemas.outputs import NumberType, OutputConfig, OutputFormat

FLOATS = npst.arrays(np.float32, npst.array_shapes(min_dims=1, max_dims=3, max_side=70))
AVRO_SCHEMA = fastavro.parse_schema(
    {
        "type": "record",
        "name": "Prediction",
        "fields": [{"name": "values", "type": {"type": "array", "items": "float"}}],
    }
)
predictions = npst.arrays(
    st.sampled_from([np.float32, np.float64, np.float16, np.int64, np.uint8, np.bool_]),
    npst.array_shapes(min_dims=1, max_dims=4, min_side=0, max_side=4),
)


def finite_or_none(value: object) -> object:
    if isinstance(value, list):
        return [finite_or_none(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


@given(predictions)
def test_each_row_becomes_json_with_finite_numbers_or_null(rows: Array) -> None:
    answers = encode_json(rows)

    assert len(answers) == len(rows)
    for answer, row in zip(answers, rows, strict=True):
        values = json.loads(answer, parse_constant=pytest.fail)["values"]
        if 0 in row.shape:
            assert values == []
            continue
        expected = finite_or_none(np.atleast_1d(row).tolist())
        if rows.dtype.kind == "f":
            read = np.array(values, np.float64).astype(rows.dtype)
            assert read.shape == np.atleast_1d(row).shape
            finite = np.isfinite(np.atleast_1d(row))
            assert np.array_equal(read[finite], np.atleast_1d(row)[finite])
            assert np.isnan(read[~finite]).all()
        else:
            assert values == expected


def test_an_answer_looks_as_documented() -> None:
    rows = np.array([[0.1, math.nan], [math.inf, 2]], np.float32)

    assert encode_json(rows) == [b'{"values":[0.1,null]}', b'{"values":[null,2.0]}']


def test_foreign_layouts_are_written_too() -> None:
    rows = np.arange(6, dtype=">f4").reshape(3, 2).T

    assert encode_json(rows) == [b'{"values":[0.0,2.0,4.0]}', b'{"values":[1.0,3.0,5.0]}']


@given(FLOATS)
def test_raw_answers_are_the_numbers_of_each_row(rows: Array) -> None:
    answers = encode_raw(rows)

    read = [np.frombuffer(answer, "<f4").reshape(rows.shape[1:]) for answer in answers]
    assert np.array_equal(np.array(read), rows, equal_nan=True)


def test_raw_answers_have_the_type_that_is_asked_for() -> None:
    answers = encode_raw(np.array([[1, 2]], np.float32), data_type=NumberType.FLOAT16)

    assert answers == [np.array([1, 2], "<f2").tobytes()]


@given(FLOATS)
def test_avro_answers_are_read_by_the_schema_that_is_written_down(rows: Array) -> None:
    answers = encode_avro(rows)

    read = [
        fastavro.schemaless_reader(io.BytesIO(answer), AVRO_SCHEMA, None)["values"]
        for answer in answers
    ]
    flat = rows.reshape(len(rows), -1)
    assert np.array_equal(np.array(read, np.float32), flat, equal_nan=True)


def test_a_label_is_the_name_of_the_likeliest_class_with_its_score() -> None:
    config = OutputConfig(class_names=["ant", 'b"', "c"])
    encode = encoder_for(OutputFormat.LABEL, config)
    rows = np.array([[0.1, 0.7, 0.2], [0.5, 0.3, 0.2], [math.nan, 1, 0]], np.float32)

    assert [json.loads(answer) for answer in encode(rows)] == [
        {"label": 'b"', "score": 0.7},
        {"label": "ant", "score": 0.5},
        {"label": None, "score": None},
    ]
    assert encode(rows[:0]) == []


def test_a_label_without_names_is_a_number_and_one_output_means_two_classes() -> None:
    rows = np.array([[0.75], [0.25]], np.float32)

    assert encode_labels(rows, class_names=[]) == [
        b'{"label":1,"score":0.75}',
        b'{"label":0,"score":0.75}',
    ]


@pytest.mark.parametrize(
    ("names", "shape", "is_right"),
    [
        ([], (3,), True),
        (["a", "b", "c"], (3,), True),
        (["a", "b"], (1,), True),
        (["a", "b"], (3,), False),
        (["a"], (1,), False),
        ([], (3, 2), False),
        ([], (), False),
    ],
)
def test_classes_and_their_names_must_fit(
    names: list[str], shape: tuple[int, ...], *, is_right: bool
) -> None:
    config = OutputConfig(class_names=names)
    if is_right:
        check_label(config, shape)
        return
    with pytest.raises(RecordFormatError, match="class"):
        check_label(config, shape)
