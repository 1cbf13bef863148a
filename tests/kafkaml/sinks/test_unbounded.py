"""Sinks of streams without an end: announced first, by the name of the topic."""

import numpy as np
import pytest

from kafkaml.control import TopicRange
from kafkaml.exceptions import FormatError
from kafkaml.sinks import JsonSink, RawSink
from kafkaml.sinks.base import SinkOptions
from tests.kafkaml.logs import read_announcements, read_ranges


def test_a_stream_is_announced_once_before_its_first_record(options: SinkOptions) -> None:
    bootstrap, control = str(options["bootstrap_servers"]), str(options["control_topic"])
    topic = options["topic"]
    options["incremental"] = True
    with RawSink(**options) as sink:
        assert sink.announced is None
        sink.send(np.array([1, 2], np.float32), np.uint8(1))
        [message] = read_announcements(bootstrap, control)
        sink.send_many(np.ones((5, 2), np.float32), np.zeros(5, np.uint8))
    assert read_announcements(bootstrap, control) == [message] == [sink.announced]
    assert (message.topic, message.ranges, message.incremental) == (topic, (), True)
    assert message.total_msg is None
    assert message.input_config["data_reshape"] == "2"
    ranges = [TopicRange(topic, part, 0, 2) for part in range(3)]
    assert len(read_ranges(bootstrap, ranges)) == 6


def test_a_stream_without_a_good_record_is_not_announced(options: SinkOptions) -> None:
    bootstrap, control = str(options["bootstrap_servers"]), str(options["control_topic"])
    fields = {"data_fields": ["co2"], "label_fields": ["busy"]}
    options["incremental"] = True
    with JsonSink(**options, **fields) as sink, pytest.raises(FormatError):
        sink.send({"co2": "high", "busy": 1})
    assert read_announcements(bootstrap, control) == []
