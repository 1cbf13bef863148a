import errno
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest

from kafkaml.control import TopicRange
from kafkaml.schemas.deployments import BadRecords
from kafkaml.schemas.models import ModelCheck
from kafkaml.schemas.states import ExitCode, FailureReason
from tests.trainer.streams import INPUT_CONFIG, Record, message_of, numbered
from trainer.data.array_file import disk_errors
from trainer.data.oddities import about_labels, about_numbers
from trainer.data.records import RecordCollector, Records
from trainer.data.stream import RecordBatch
from trainer.data.suitability import check_suitability
from trainer.exceptions import DiskError, ModelCodeError, StreamError
from trainer.messages import LabelRule

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
    assert "leave bad ones out (bad_records)" in error.message


def test_a_record_without_a_label_is_named() -> None:
    error = failure_of(batch(FIRST, [*numbered(1), (None, b"\0" * 8)], [10, 11]))
    assert "record one:0:11: it has no label" in error.message


@pytest.mark.parametrize(
    ("announced", "reason", "text"),
    [
        (5, FailureReason.DATA_SHORT, "3 of 5 announced records are in one:0:10:14,two:"),
        (2, FailureReason.BAD_STREAM, "one:0:10:14,two:3:5:8 holds 3 records, but 2"),
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


@pytest.mark.parametrize("max_rate", [0.4, 1.0])
def test_bad_records_are_left_out_and_named_if_told_so(max_rate: float) -> None:
    good = numbered(5)
    bad: list[Record] = [(b"\0", b"short"), (None, b"\0" * 8)]
    found = collected(
        batch(FIRST, [good[0], bad[0], good[1], bad[1]], [10, 11, 12, 13]),
        batch(SECOND, good[2:], [5, 6, 7]),
        bad_records=BadRecords(action="skip", max_rate=max_rate),
        total_msg=7,
    )
    assert found.features[:, 0].tolist() == [0, 1, 2, 3, 4]
    assert len(found.labels) == 5
    assert [found.coordinates(row) for row in (0, 1, 2)] == [
        *("one:0:10", "one:0:12", "two:3:5"),
    ]
    skipped = found.skipped
    assert skipped is not None
    assert skipped.count == 2
    assert skipped.rate == pytest.approx(2 / 7)
    named = [(each.coordinates, each.reason) for each in skipped.first]
    assert named[0][0] == "one:0:11"
    assert "5 bytes" in named[0][1]
    assert named[1] == ("one:0:13", "it has no label, its key is null")


def test_a_batch_without_a_good_record_is_left_out() -> None:
    found = collected(
        batch(FIRST, [(b"\0", b"")] * 2, [10, 11]),
        batch(SECOND, numbered(3), [5, 6, 7]),
        bad_records=BadRecords(action="skip", max_rate=0.5),
    )
    assert found.features[:, 0].tolist() == [0, 1, 2]
    assert found.coordinates(0) == "two:3:5"


def test_records_of_another_shape_than_those_before_are_bad() -> None:
    config = INPUT_CONFIG | {"data_reshape": None}
    batches = [
        batch(FIRST, numbered(2), [10, 11]),
        batch(SECOND, [(b"\0", b"\0" * 12)], [5]),
    ]
    error = failure_of(*batches, input_config=config)
    assert "record two:3:5: the record has shape (3,), those before" in error.message
    skip = BadRecords(action="skip", max_rate=0.5)
    found = collected(*batches, input_config=config, bad_records=skip)
    assert found.features.shape == (2, 2)
    assert found.skipped is not None
    assert found.skipped.count == 1


def test_too_many_bad_records_fail_with_their_number_and_the_first() -> None:
    records = [*numbered(6), (b"\0", b"x")]
    error = failure_of(
        batch(FIRST, records, [*range(10, 14), *range(5, 8)]),
        bad_records=BadRecords(action="skip", max_rate=0.1),
    )
    assert error.reason is FailureReason.BAD_STREAM
    assert "1 of 7 records are bad, bad_records.max_rate allows 0.1" in error.message
    assert "record one:0:7: the value has 1 bytes" in error.message


def test_only_the_first_ten_bad_records_are_named() -> None:
    records: list[Record] = [(b"\0", b"x")] * 50
    wide = TopicRange("one", 0, 0, 100)
    bad_records = BadRecords(action="skip", max_rate=0.5)
    with (
        TemporaryDirectory() as folder,
        RecordCollector(
            message_of(wide), directory=Path(folder), bad_records=bad_records
        ) as collector,
    ):
        collector.add(batch(wide, [*records, *numbered(50)], list(range(100))))
        skipped = collector.finish().skipped
    assert skipped is not None
    assert (skipped.count, len(skipped.first)) == (50, 10)


def test_longer_texts_after_shorter_ones_are_kept_whole() -> None:
    config = INPUT_CONFIG | {"data_type": "string", "data_reshape": None}
    texts = [b"a", b"bcd", b"much longer"]
    found = collected(
        batch(FIRST, [(b"\0", each) for each in texts[:2]], [10, 11]),
        batch(SECOND, [(b"\1", texts[2])], [5]),
        input_config=config,
    )
    assert found.features.tolist() == [each.decode() for each in texts]
    assert found.labels.tolist() == [0, 0, 1]


def test_a_hundred_ranges_of_several_topics_are_one_stream() -> None:
    ranges = [
        TopicRange(f"t{each % 7}", each % 3, each * 10, each * 10 + 2)
        for each in range(100)
    ]
    with (
        TemporaryDirectory() as folder,
        RecordCollector(message_of(*ranges), directory=Path(folder)) as collector,
    ):
        for number, wanted in enumerate(ranges):
            offsets = [wanted.start, wanted.start + 1]
            collector.add(batch(wanted, numbered(2, 2 * number), offsets))
        found = collector.finish()
    assert found.features[:, 0].tolist() == list(range(200))
    assert [found.coordinates(2 * each + 1) for each in range(100)] == [
        f"{each.topic}:{each.partition}:{each.start + 1}" for each in ranges
    ]


def test_records_that_do_not_fit_on_the_disk_are_a_full_disk() -> None:
    with TemporaryDirectory() as folder:
        announced = message_of(FIRST, total_msg=4)
        with (
            RecordCollector(announced, directory=Path(folder), max_bytes=50) as collector,
            pytest.raises(DiskError, match="4 records of 17 bytes need") as caught,
        ):
            collector.add(batch(FIRST, numbered(1), [10]))
    assert caught.value.reason is FailureReason.DISK
    assert "TEMPORARY_BYTES" in caught.value.message


def test_a_disk_that_is_full_is_told_as_such() -> None:
    with pytest.raises(DiskError, match="no more room"), disk_errors(Path("/data")):
        raise OSError(errno.ENOSPC, "No space left on device")


def test_records_without_finite_values_are_counted() -> None:
    values = np.array([[0, 0], [np.nan, 1], [1, np.inf], [3e38, 3e38]], np.float32)
    found = collected(
        batch(FIRST, [(b"\0", each.tobytes()) for each in values], [10, 11, 12, 13]),
        batch(SECOND, [(b"\0", values[1].tobytes())], [5]),
    )
    assert (found.not_finite, found.first_not_finite) == (3, 1)
    told = about_numbers(found)
    assert told is not None
    assert "3 of 5 records hold NaN or infinite values, the first is one:0:11" in told


def test_labels_without_finite_values_are_counted() -> None:
    told = about_labels(records((2,), [0.5, np.nan, np.inf]))
    assert told is not None
    assert "2 of 3 labels are NaN or infinite, the first is that of record one:0:11" in told
    assert about_labels(records((2,), [0.5, 1.0])) is None
    assert about_labels(records((2,), [0, 1])) is None


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
        ((2,), [3.0, 3.0], model([2], outputs=[1]), "outputs"),
        ((2,), [0.0, 0.5], model([2], outputs=[1]), "probabilities"),
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
        (
            (2,),
            [0.0, 2.0],
            model([2], outputs=[1]),
            "probabilities",
            "one:0:11: its label is 2.0, but the model's loss takes 0, 1",
        ),
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
