"""The sinks of the formats IMAGE and AUDIO."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Unpack

import numpy as np

from kafkaml.exceptions import FormatError
from kafkaml.formats import AudioFormat, ImageFormat
from kafkaml.records.media.codec import MediaCodec
from kafkaml.records.media.exceptions import UnusableError
from kafkaml.records.media.pictures import picture_of
from kafkaml.records.media.sounds import sound_of
from kafkaml.sinks.arrays import as_array
from kafkaml.sinks.base import Sink, SinkOptions
from kafkaml.sinks.columns import LabelColumn

SAMPLES_PER_WRITE = 100


class MediaSink(Sink):
    """Sends files as they are: the value is the file, the key the label.

    A sample is the bytes of a file, its path, or an array of the shape that the readers
    make, which is sent as a file that loses nothing. Labels are those of RawSink.
    """

    def __init__(
        self,
        *,
        described: ImageFormat | AudioFormat,
        config: dict[str, Any],
        label_type: str | None,
        **options: Unpack[SinkOptions],
    ) -> None:
        super().__init__(**options)
        self._described = described
        self._config = config
        self._codec = MediaCodec(described)
        self._labels = LabelColumn(label_type)

    def send(self, data: Any, label: Any = None) -> None:
        """Send one sample; raise FormatError if it is of no known kind."""
        self.send_many([data], None if label is None else as_array(label)[np.newaxis])

    def send_many(self, data: Sequence[Any], labels: Any = None) -> None:
        """Send samples; raise FormatError if a header says that one cannot be decoded.

        That is found before the sample and those after it are sent.
        """
        label_rows = self._labels.rows(labels, samples=len(data))
        for start in range(0, len(data), SAMPLES_PER_WRITE):
            chunk = slice(start, start + SAMPLES_PER_WRITE)
            files = [
                self._file(sample, start + place)
                for place, sample in enumerate(data[chunk])
            ]
            keys = None if label_rows is None else self._labels.encode(label_rows[chunk])
            self._write(files, keys)

    def _file(self, sample: Any, place: int) -> bytes:
        if isinstance(sample, Path):
            content = sample.read_bytes()
        elif isinstance(sample, bytes | bytearray | memoryview):
            content = bytes(sample)
        else:
            return self._codec.encode(np.asarray(sample)[np.newaxis])[0]
        read = picture_of if isinstance(self._described, ImageFormat) else sound_of
        try:
            read(content)
        except UnusableError as e:
            raise FormatError(f"sample {place} {e}") from e
        return content

    def _input_config(self) -> dict[str, Any]:
        return {**self._config, **self._labels.to_config()}


class ImageSink(MediaSink):
    """Sends pictures (JPEG, PNG, WebP, TIFF, DICOM), to be read as height x width.

    `resize` is `bilinear`, `nearest`, `bicubic` or `area`; with None a picture of another
    size is a bad record.

        with ImageSink(topic="cells", deployment_id=1, height=64, width=64) as sink:
            sink.send(Path("cell-1.png"), label=0)
    """

    input_format: ClassVar[str] = "IMAGE"

    def __init__(
        self,
        *,
        height: int,
        width: int,
        channels: int = 3,
        resize: str | None = "bilinear",
        label_type: str | None = None,
        **options: Unpack[SinkOptions],
    ) -> None:
        config = {
            "height": height,
            "width": width,
            "channels": channels,
            "resize": resize,
        }
        described = ImageFormat.from_config(config)
        super().__init__(
            described=described, config=config, label_type=label_type, **options
        )


class AudioSink(MediaSink):
    """Sends sounds (WAV, FLAC, MP3, Ogg Vorbis), to be read as `samples` at `rate` Hz.

    with AudioSink(topic="words", deployment_id=1, samples=16000, rate=16000) as sink:
        sink.send(Path("yes.flac"), label=1)
    """

    input_format: ClassVar[str] = "AUDIO"

    def __init__(
        self,
        *,
        samples: int,
        rate: int,
        channels: int = 1,
        label_type: str | None = None,
        **options: Unpack[SinkOptions],
    ) -> None:
        config = {"samples": samples, "rate": rate, "channels": channels}
        described = AudioFormat.from_config(config)
        super().__init__(
            described=described, config=config, label_type=label_type, **options
        )
