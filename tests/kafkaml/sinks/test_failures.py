"""Nothing is announced unless everything was delivered."""

from datetime import timedelta

import numpy as np
import pytest

from kafkaml.exceptions import ControlMessageError, DeliveryError, FormatError, TopicError
from kafkaml.sinks import AvroSink, JsonSink, RawSink, announce
from kafkaml.sinks.base import SinkOptions
from tests.kafkaml.logs import count_records

ROWS = np.zeros((10, 4), np.float32)


def count_announcements(options: SinkOptions) -> int:
    return count_records(str(options["bootstrap_servers"]), str(options["control_topic"]))


def send_and_divide(sink: RawSink) -> None:
    sink.send_many(ROWS)
    _ = 1 / 0


def test_not_after_an_exception(options: SinkOptions) -> None:
    sink = RawSink(**options)
    with pytest.raises(ZeroDivisionError) as error, sink:
        send_and_divide(sink)
    assert error.value.__notes__ == [
        "Nothing was announced: no deployment will use this stream."
    ]
    assert sink.announced is None
    assert count_announcements(options) == 0


def test_not_after_a_record_that_is_too_large(options: SinkOptions) -> None:
    sink = RawSink(**options)
    sink.send(np.zeros(100, np.uint8))
    with pytest.raises(FormatError):
        sink.send(np.zeros(2_000_000, np.uint8))
    sink.close()
    assert count_announcements(options) == 1

    sink = RawSink(**options)
    with pytest.raises(DeliveryError, match="too large"):
        sink.send(np.zeros(2_000_000, np.uint8))
    with pytest.raises(DeliveryError, match="not every record could be sent"):
        sink.close()
    assert count_announcements(options) == 1


def test_not_after_a_record_that_the_broker_refuses(options: SinkOptions) -> None:
    options["producer_config"] = {"message.max.bytes": 5_000_000}
    sink = RawSink(data_type="string", **options)
    sink.send_many(["small"] * 10)
    with pytest.raises(DeliveryError, match=r"1 of 11 records.*too large"), sink:
        sink.send("x" * 2_000_000)
    assert count_announcements(options) == 0


def test_not_if_nothing_was_sent(options: SinkOptions) -> None:
    with pytest.raises(DeliveryError, match="nothing was sent"), RawSink(**options):
        pass
    assert count_announcements(options) == 0


UNREACHABLE = SinkOptions(
    topic="data",
    deployment_id=1,
    bootstrap_servers="127.0.0.1:9",
    timeout=timedelta(seconds=1.5),
)


@pytest.mark.timeout(20)
def test_an_unreachable_broker_ends_in_an_error() -> None:
    sink = RawSink(**UNREACHABLE)
    with pytest.raises(TopicError, match=r"not ready after 1.5 seconds.*127.0.0.1:9"), sink:
        sink.send_many(ROWS)


@pytest.mark.parametrize(
    "broken",
    [
        {"deployment_id": -1},
        {"topic": "no topic"},
        {"topic": ""},
        {"validation_rate": 0.5, "test_rate": 0.5},
        {"test_rate": float("nan")},
        {"description": "x" * 20_000},
    ],
)
def test_broken_rules_are_told_before_anything_is_sent(broken: dict[str, object]) -> None:
    with pytest.raises(ControlMessageError):
        RawSink(**{**UNREACHABLE, **broken})  # type: ignore[arg-type]


def test_unusable_formats_are_told_before_anything_is_sent() -> None:
    with pytest.raises(FormatError, match="data_scheme"):
        AvroSink(data_schema="{", label_schema='"int"', **UNREACHABLE)
    with pytest.raises(FormatError, match="label_fields"):
        JsonSink(data_fields=["x"], label_fields=[], **UNREACHABLE)
    sink = RawSink(data_type="object", **UNREACHABLE)
    with pytest.raises(FormatError, match="data_type"):
        sink.send_many(ROWS)
    sink.abandon()


@pytest.mark.timeout(20)
def test_an_announcement_that_is_not_taken_is_an_error(options: SinkOptions) -> None:
    sink = RawSink(**options)
    sink.send_many(ROWS)
    sink.close()
    assert sink.announced is not None
    with pytest.raises(TopicError):
        announce(
            sink.announced, bootstrap_servers="127.0.0.1:9", timeout=timedelta(seconds=1)
        )
