from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest

from kafkaml.control import TopicRange
from kafkaml.schemas.deployments import BadRecords
from kafkaml.schemas.models import ModelCheck
from kafkaml.schemas.states import ExitCode, FailureReason
from tests.trainer.streams import Record, message_of, numbered
from trainer.exceptions import ModelCodeError, StreamError
from trainer.messages import LabelRule
from trainer.records import RecordCollector, Records
from trainer.stream import RecordBatch
from trainer.suitability import check_suitability

FIRST = TopicRange("one", 0, 10, 14)
SECOND = TopicRange("two", 3, 5, 8)


def batch(source: TopicRange, records: list[Record], offsets: list[int]) -> RecordBatch:
    return RecordBatch(source, offsets, [k for k, _ in records], [v for _, v in records])


def collected(
    *batches: RecordBatch, bad_records: BadRecords | None = None, **fields: Any
) -> Records:
    with (
        TemporaryDirectory() as folder,
        RecordCollector(
            message_of(FIRST, SECOND, **fields),
            directory=Path(folder),
            bad_records=bad_records,
        ) as collector,
    ):
        for each in batches:
            collector.add(each)
        return collector.finish()


def failure_of(*batches: RecordBatch, **fields: Any) -> StreamError:
    with pytest.raises(StreamError) as caught:
        collected(*batches, **fields)
    assert caught.value.exit_code == ExitCode.DATA
    return caught.value


def test_rows_are_in_the_order_of_ranges_and_offsets_and_know_their_coordinates() -> None:
    records = collected(
        batch(FIRST, numbered(2), [10, 11]),
        batch(FIRST, numbered(1, 2), [13]),
        batch(SECOND, numbered(2, 3), [5, 7]),
    )
    assert records.features[:, 0].tolist() == [0, 1, 2, 3, 4]
    coordinates = [records.coordinates(row) for row in range(5)]
    assert coordinates == ["one:0:10", "one:0:11", "one:0:13", "two:3:5", "two:3:7"]


def test_a_range_without_records_does_not_shift_coordinates() -> None:
    records = collected(batch(FIRST, [], []), batch(SECOND, numbered(1), [6]))
    assert records.coordinates(0) == "two:3:6"


def test_a_record_that_cannot_be_decoded_is_named() -> None:
    bad = [(b"\0", b"too short"), *numbered(1), (b"\0", None)]
    error = failure_of(batch(FIRST, bad, [10, 11, 12]))
    assert error.reason is FailureReason.BAD_STREAM
    assert "record one:0:10: the value has 9 bytes" in error.message
    assert "1 more" in error.message


def test_a_record_without_a_label_is_named() -> None:
    error = failure_of(batch(FIRST, [*numbered(1), (None, b"\0" * 8)], [10, 11]))
    assert "record one:0:11: it has no label" in error.message


@pytest.mark.parametrize(
    ("announced", "reason", "text"),
    [
        (5, FailureReason.DATA_SHORT, "3 of 5"),
        (2, FailureReason.BAD_STREAM, "hold 3 records, but 2"),
    ],
)
def test_the_announced_number_of_records_is_checked(
    announced: int, reason: FailureReason, text: str
) -> None:
    error = failure_of(batch(FIRST, numbered(3), [10, 11, 12]), total_msg=announced)
    assert error.reason is reason
    assert text in error.message


def test_ranges_without_any_record_fail() -> None:
    assert failure_of(batch(FIRST, [], [])).reason is FailureReason.DATA_SHORT


def test_an_unknown_format_fails_before_anything_is_read() -> None:
    error = failure_of(input_format="MORSE")
    assert error.reason is FailureReason.BAD_STREAM
    assert "MORSE" in error.message


def model(*inputs: list[int | None], outputs: list[int | None]) -> ModelCheck:
    return ModelCheck(
        summary="", input_shapes=list(inputs), output_shapes=[outputs], parameter_count=0
    )


def records(features: tuple[int, ...], labels: list[Any]) -> Records:
    count = len(labels)
    return Records(
        np.zeros((count, *features), np.float32),
        np.asarray(labels),
        np.arange(10, 10 + count),
        ((0, FIRST),),
    )


@pytest.mark.parametrize(
    ("shape", "labels", "check", "rule"),
    [
        ((2,), [0, 2], model([2], outputs=[3]), "classes"),
        ((2,), [[0], [2]], model([2], outputs=[3]), "classes"),
        ((2,), [0.0, 2.0], model([None], outputs=[3]), "classes"),
        ((8, 8), [[[0, 1]], [[1, 2]]], model([8, 8], outputs=[1, 2, 3]), "classes"),
        ((2,), [0.5, -7.5], model([2], outputs=[1]), "outputs"),
        ((2,), [[1, 0], [0, 1]], model([2], outputs=[2]), "outputs"),
        ((2,), ["a", "b"], model([2], outputs=[2]), "any"),
    ],
)
def test_records_that_fit_the_model_are_accepted(
    shape: tuple[int, ...], labels: list[Any], check: ModelCheck, rule: LabelRule
) -> None:
    check_suitability(records(shape, labels), check, rule)


@pytest.mark.parametrize(
    ("shape", "labels", "check", "rule", "text"),
    [
        (
            (64,),
            [0],
            model([8, 8], outputs=[3]),
            "classes",
            "(64,), but the model takes (8, 8)",
        ),
        (
            (2,),
            [0, 3],
            model([2], outputs=[3]),
            "classes",
            "record one:0:11: its label is 3",
        ),
        (
            (2,),
            [-1],
            model([2], outputs=[3]),
            "classes",
            "record one:0:10: its label is -1",
        ),
        ((2,), [0.5], model([2], outputs=[3]), "classes", "its label is 0.5"),
        ((2,), [np.nan], model([2], outputs=[3]), "classes", "its label is nan"),
        ((2,), [[0, 1, 0]], model([2], outputs=[3]), "classes", "a label has shape (3,)"),
        ((2,), ["a"], model([2], outputs=[3]), "classes", "texts"),
        ((2,), [1], model([2], outputs=[3]), "outputs", "a label has shape ()"),
        ((2,), ["a"], model([2], outputs=[1]), "outputs", "texts"),
        ((2,), [1.0, np.inf], model([2], outputs=[1]), "outputs", "one:0:11"),
    ],
)
def test_records_that_do_not_fit_the_model_are_refused_with_what_is_wrong(
    shape: tuple[int, ...], labels: list[Any], check: ModelCheck, rule: LabelRule, text: str
) -> None:
    with pytest.raises(StreamError) as caught:
        check_suitability(records(shape, labels), check, rule)
    assert caught.value.reason is FailureReason.BAD_STREAM
    assert text in caught.value.message


def test_a_model_with_two_inputs_cannot_be_trained_on_a_stream() -> None:
    with pytest.raises(ModelCodeError, match="2 inputs"):
        check_suitability(records((2,), [0]), model([2], [2], outputs=[3]), "classes")
