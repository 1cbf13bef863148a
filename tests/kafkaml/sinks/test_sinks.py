"""Sinks on a real broker: what they send is announced exactly, and decodes to the same."""

import time
from typing import Any

import numpy as np
import pandas as pd
import pytest
from confluent_kafka import Producer

from kafkaml.control import ControlMessage
from kafkaml.exceptions import DeliveryError, FormatError
from kafkaml.records import record_format
from kafkaml.sinks import AvroSink, JsonSink, RawSink, announce
from kafkaml.sinks.base import SinkOptions
from tests.kafkaml.logs import LogRecord, count_records, read_announcements, read_ranges

IMAGES = np.arange(10 * 4 * 5, dtype=np.uint8).reshape(10, 4, 5)
LABELS = np.arange(10, dtype=np.int64) % 3

PATIENT = {
    "type": "record",
    "name": "Patient",
    "fields": [{"name": "age", "type": "float"}, {"name": "smoking", "type": "int"}],
}
DIAGNOSIS = {
    "type": "record",
    "name": "Diagnosis",
    "fields": [{"name": "diagnosis", "type": "boolean"}],
}


def only_announcement(options: SinkOptions) -> ControlMessage:
    (message,) = announcements(options)
    return message


def announcements(options: SinkOptions) -> list[ControlMessage]:
    return read_announcements(
        str(options["bootstrap_servers"]), str(options["control_topic"])
    )


def announced_records(options: SinkOptions) -> list[LogRecord]:
    """The announced records in the order in which they were sent."""
    ranges = only_announcement(options).ranges
    parts = [read_ranges(str(options["bootstrap_servers"]), [each]) for each in ranges]
    assert len(parts) == len({each.partition for each in ranges})
    longest = max(len(part) for part in parts)
    turns = [part[turn] for turn in range(longest) for part in parts if turn < len(part)]
    assert len(turns) == only_announcement(options).total_msg
    return turns


def decoded(options: SinkOptions) -> tuple[Any, Any]:
    message = only_announcement(options)
    format_ = record_format(message.input_format, message.input_config)
    records = announced_records(options)
    values = [record.value for record in records]
    keys = values if format_.labels_in_value else [record.key for record in records]
    features, labels = format_.features.decode(values), format_.labels.decode(keys)
    assert not features.bad
    assert not labels.bad
    return features.array, labels.array


def test_arrays_are_sent_and_announced(options: SinkOptions) -> None:
    options["validation_rate"], options["test_rate"] = 0.2, 0.1
    options["description"] = "ten images"
    with RawSink(**options) as sink:
        sink.send_many(IMAGES, LABELS)
        assert announcements(options) == []
    message = only_announcement(options)
    assert message == sink.announced
    assert message.deployment_id == 300
    assert message.input_format == "RAW"
    assert message.input_config == {
        "data_type": "uint8",
        "data_reshape": "4 5",
        "label_type": "int64",
        "label_reshape": None,
    }
    assert (message.validation_rate, message.test_rate) == (0.2, 0.1)
    assert message.description == "ten images"
    assert message.total_msg == 10
    assert not message.incremental
    topic = options["topic"]
    assert message.topic == f"{topic}:0:0:4,{topic}:1:0:3,{topic}:2:0:3"
    features, labels = decoded(options)
    np.testing.assert_array_equal(features, IMAGES)
    np.testing.assert_array_equal(labels, LABELS)


def test_single_samples_are_sent_round_robin_not_by_label(options: SinkOptions) -> None:
    with RawSink(**options) as sink:
        for _ in range(6):
            sink.send([0.5, 1.5], "cat")
    message = only_announcement(options)
    assert [len(each) for each in message.ranges] == [2, 2, 2]
    assert message.input_config == {
        "data_type": "float64",
        "data_reshape": "2",
        "label_type": "string",
        "label_reshape": None,
    }
    features, labels = decoded(options)
    assert features.tolist() == [[0.5, 1.5]] * 6
    assert labels.tolist() == ["cat"] * 6


@pytest.mark.parametrize(
    ("label", "type_name", "key"),
    [(7, "int64", b"\7" + bytes(7)), (True, "bool", b"\1"), (0.5, "float64", None)],
)
def test_scalar_labels_are_the_keys(
    options: SinkOptions, label: object, type_name: str, key: bytes | None
) -> None:
    with RawSink(**options) as sink:
        sink.send(np.float32(2), label)
    assert only_announcement(options).input_config["label_type"] == type_name
    (record,) = announced_records(options)
    assert record.value == np.float32(2).tobytes()
    assert key is None or record.key == key
    assert decoded(options)[1].tolist() == [label]


def test_named_types_convert_the_samples(options: SinkOptions) -> None:
    with RawSink(data_type="float32", label_type="uint8", **options) as sink:
        sink.send_many(np.array([[0.5], [1.5]]), [3, 4])
        with pytest.raises(FormatError, match="uint8 does not have"):
            sink.send([1.0], 300)
    features, labels = decoded(options)
    assert features.dtype == np.float32
    assert labels.dtype == np.uint8
    assert labels.tolist() == [3, 4]


def test_without_labels_there_are_no_keys(options: SinkOptions) -> None:
    with RawSink(**options) as sink:
        sink.send_many(IMAGES)
        with pytest.raises(FormatError, match="either all samples"):
            sink.send(IMAGES[0], 1)
    assert {record.key for record in announced_records(options)} == {None}


def test_samples_that_do_not_fit_are_not_sent(options: SinkOptions) -> None:
    with RawSink(**options) as sink:
        sink.send_many(IMAGES, LABELS)
        with pytest.raises(FormatError, match=r"\(4, 6\), earlier ones have \(4, 5\)"):
            sink.send_many(np.zeros((3, 4, 6), np.uint8), LABELS[:3])
        with pytest.raises(FormatError, match="float64, earlier ones have uint8"):
            sink.send(np.zeros((4, 5)), 1)
        with pytest.raises(FormatError, match="10 samples, but 9 labels"):
            sink.send_many(IMAGES, LABELS[:9])
        with pytest.raises(FormatError, match="one row per sample"):
            sink.send_many(3.0, LABELS)
        with pytest.raises(FormatError, match="mixed types"):
            sink.send_many([[object()]], LABELS)
        with pytest.raises(FormatError, match="cannot be sent"):
            sink.send_many(np.array(["2026-01-01"], "datetime64[D]"), LABELS)
    assert only_announcement(options).total_msg == 10


def test_frames_are_sent_by_row(options: SinkOptions) -> None:
    frame = pd.DataFrame({"age": [50.0, 60.5], "smoking": [True, False]})
    with RawSink(**options) as sink:
        sink.send_many(frame, pd.Series([1, 0]))
    features, labels = decoded(options)
    assert features.tolist() == [[50, 1], [60.5, 0]]
    assert labels.tolist() == [1, 0]


def test_avro_takes_dictionaries_rows_and_frames(options: SinkOptions) -> None:
    with AvroSink(data_schema=PATIENT, label_schema=DIAGNOSIS, **options) as sink:
        sink.send({"age": 50.5, "smoking": 1}, {"diagnosis": True})
        sink.send([51.5, 2], True)
        sink.send_many(np.array([[52.5, 3]]), np.array([0]))
        frame = pd.DataFrame({"smoking": [4], "name": ["x"], "age": [53.5]})
        sink.send_many(frame, pd.DataFrame({"diagnosis": [False]}))
        for data, label in [({"age": "old"}, {"diagnosis": True}), ([1.0, 2.5], True)]:
            with pytest.raises(FormatError, match=r"schema|no int"):
                sink.send(data, label)
        with pytest.raises(FormatError, match="needs a label"):
            sink.send([1.0, 2])
    features, labels = decoded(options)
    assert features.tolist() == [[50.5, 1], [51.5, 2], [52.5, 3], [53.5, 4]]
    assert labels.tolist() == [[1], [1], [0], [0]]


def test_json_takes_dictionaries_rows_and_frames(options: SinkOptions) -> None:
    with JsonSink(data_fields=["x", "y"], label_fields=["z"], **options) as sink:
        sink.send({"x": 1, "y": 2.5, "z": 0, "room": "A"})
        sink.send([2, 3.5], 1)
        sink.send_many(np.array([[3, 4.5]]), [[0]])
        sink.send_many(pd.DataFrame({"z": [1], "y": [5.5], "x": [4]}))
        for bad, reason in [
            ({"x": 1, "z": 1}, "'y' is missing"),
            ([1, np.nan], "'y' is null"),
        ]:
            with pytest.raises(FormatError, match=reason):
                sink.send(bad, {"z": 1})
    features, labels = decoded(options)
    assert features.tolist() == [[1, 2.5], [2, 3.5], [3, 4.5], [4, 5.5]]
    assert labels.tolist() == [[0], [1], [0], [1]]


def test_records_of_other_producers_are_not_announced(options: SinkOptions) -> None:
    sent = [f"{number:08}" for number in range(3 * 30)]
    with RawSink(**options) as sink:
        for part in range(3):
            sink.send_many(sent[30 * part :][:30])  # ten for each of three partitions
            await_records(options, 10 * (part + 1) + 5 * part)
            write_as_another(options, 5)
    message = only_announcement(options)
    topic = options["topic"]
    assert message.topic == (
        f"{topic}:0:0:10,{topic}:0:15:25,{topic}:0:30:40,{topic}:1:0:30,{topic}:2:0:30"
    )
    assert message.total_msg == len(sent)
    records = read_ranges(str(options["bootstrap_servers"]), message.ranges)
    assert sorted(str(record.value, "ascii") for record in records if record.value) == sent


def await_records(options: SinkOptions, count: int) -> None:
    """Return once partition 0 holds so many records."""
    deadline = time.monotonic() + 30
    while count_records(str(options["bootstrap_servers"]), options["topic"]) < count:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def write_as_another(options: SinkOptions, count: int) -> None:
    """Let another producer write to partition 0."""
    producer = Producer({"bootstrap.servers": options["bootstrap_servers"]})
    for number in range(count):
        producer.produce(options["topic"], f"stranger {number}", partition=0)
    assert producer.flush(20) == 0


def decoded_rows(options: SinkOptions) -> Any:
    values = b"".join(record.value or b"" for record in announced_records(options))
    return np.frombuffer(values, np.int32)


def test_many_records_pass_through_a_small_queue(options: SinkOptions) -> None:
    options["producer_config"] = {"queue.buffering.max.messages": 500}
    rows = np.arange(20_000, dtype=np.int32)
    with RawSink(**options) as sink:
        sink.send_many(rows)
    assert only_announcement(options).total_msg == len(rows)
    np.testing.assert_array_equal(decoded_rows(options), rows)


def test_a_stream_can_be_announced_again(options: SinkOptions) -> None:
    with RawSink(**options) as sink:
        sink.send_many(IMAGES, LABELS)
    assert sink.announced is not None
    again = sink.announced.model_copy(update={"deployment_id": 7})
    announce(
        again,
        bootstrap_servers=options["bootstrap_servers"],
        control_topic=options["control_topic"],
    )
    assert announcements(options) == [sink.announced, again]


def test_closing_twice_announces_once(options: SinkOptions) -> None:
    sink = RawSink(**options)
    sink.send_many(IMAGES, LABELS)
    sink.close()
    sink.close()
    sink.abandon()
    assert len(announcements(options)) == 1
    with pytest.raises(DeliveryError, match="closed"):
        sink.send_many(IMAGES, LABELS)
