"""Sinks of files: what they send is sent as it is, and announced with how to read it."""

from pathlib import Path

import numpy as np
import pytest

from kafkaml.exceptions import FormatError
from kafkaml.formats import AudioFormat, ImageFormat, RawFormat, stream_format
from kafkaml.records.media.encoding import png_of, wav_of
from kafkaml.sinks import AudioSink, ImageSink
from kafkaml.sinks.base import SinkOptions
from tests.kafkaml.logs import read_announcements, read_ranges

PIXELS = np.arange(12, dtype=np.uint8).reshape(2, 2, 3)
SAMPLES = np.linspace(-1, 1, 8, dtype=np.float32)[:, np.newaxis]


def test_files_bytes_and_arrays_are_sent_as_files(
    options: SinkOptions, tmp_path: Path
) -> None:
    path = tmp_path / "one.png"
    path.write_bytes(png_of(PIXELS))
    options["partitions"] = 1
    with ImageSink(height=2, width=2, **options) as sink:
        sink.send(path, label=1)
        sink.send_many([png_of(PIXELS), PIXELS], [0, 2])
        with pytest.raises(FormatError, match="sample 1 is no picture of a known kind"):
            sink.send_many([PIXELS, b"text"], [0, 1])
        with pytest.raises(FormatError, match="either all samples have a label"):
            sink.send(PIXELS)
    servers = str(options["bootstrap_servers"])
    (message,) = read_announcements(servers, str(options["control_topic"]))
    records = read_ranges(servers, message.ranges)
    assert [record.value for record in records] == [png_of(PIXELS)] * 3
    stream = stream_format(message.input_format, message.input_config)
    assert stream.features == ImageFormat(2, 2)
    assert stream.labels == RawFormat("<i8", None, "key")
    labels = [np.frombuffer(record.key or b"", np.int64)[0] for record in records]
    assert labels == [1, 0, 2]


def test_sounds_are_announced_with_their_length_and_rate(options: SinkOptions) -> None:
    with AudioSink(samples=8, rate=8000, label_type="string", **options) as sink:
        sink.send(wav_of(SAMPLES, rate=8000), "yes")
        with pytest.raises(FormatError, match="sample 0 is no sound"):
            sink.send(png_of(PIXELS), "no")
    servers = str(options["bootstrap_servers"])
    (message,) = read_announcements(servers, str(options["control_topic"]))
    stream = stream_format(message.input_format, message.input_config)
    assert stream.features == AudioFormat(8, 8000)
    assert message.total_msg == 1


def test_settings_that_mean_nothing_are_refused_at_once(options: SinkOptions) -> None:
    with pytest.raises(FormatError, match="width"):
        ImageSink(height=2, width=0, **options)
