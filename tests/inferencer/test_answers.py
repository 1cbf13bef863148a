import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from inferencer.answers import AnswerWriter, copied_headers, encode
from kafkaml.records.base import Array

from .messages import record
from .orders import inference_order

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
    answers = encode(rows)

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

    assert encode(rows) == [b'{"values":[0.1,null]}', b'{"values":[null,2.0]}']


def test_foreign_layouts_are_written_too() -> None:
    rows = np.arange(6, dtype=">f4").reshape(3, 2).T

    assert encode(rows) == [b'{"values":[0.0,2.0,4.0]}', b'{"values":[1.0,3.0,5.0]}']


def test_key_and_headers_are_copied_and_the_origin_is_added() -> None:
    asked = record(b"x", key=b"k", offset=5, headers=[("trace", b"t"), ("empty", None)])

    [answer] = AnswerWriter(order=inference_order()).write([asked], np.zeros((1, 2)))

    assert answer.topic == "out"
    assert answer.key == b"k"
    assert answer.headers == [
        ("trace", b"t"),
        ("empty", None),
        ("kafkaml-source", b"in/1/5"),
        ("kafkaml-model", b"7/3"),
    ]


def test_forged_headers_are_renamed() -> None:
    forged = [
        ("kafkaml-source", b"evil"),
        ("kafkaml-source", b"2"),
        ("kafkaml-model", b"m"),
    ]

    assert copied_headers([*forged]) == [
        ("kafkaml-inbound-source", b"evil"),
        ("kafkaml-inbound-source", b"2"),
        ("kafkaml-inbound-model", b"m"),
    ]
