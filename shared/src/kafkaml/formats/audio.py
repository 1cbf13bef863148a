"""The AUDIO format: one piece of sound a record, as a file of it would be."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from kafkaml.exceptions import FormatError
from kafkaml.formats.numbers import whole_number

KINDS = ("WAV", "FLAC", "MP3", "Ogg Vorbis")
MAX_SAMPLES = 2**26
MAX_RATE = 768_000
MAX_CHANNELS = 8


@dataclass(frozen=True, slots=True)
class AudioFormat:
    """Sounds that become float32 from -1 to 1, of shape `(samples, channels)`.

    `rate` is in samples per second; sounds of another rate are resampled. What is longer
    is cut, what is shorter is followed by silence. One channel is the mean of those that a
    sound has, and sounds of one channel fill all of several.
    """

    samples: int
    rate: int
    channels: int = 1
    part: str = "value"

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """Read the settings; raise FormatError if one is missing or wrong."""
        described = cls(
            whole_number(config, "samples", most=MAX_SAMPLES),
            whole_number(config, "rate", most=MAX_RATE),
            whole_number(config, "channels", most=MAX_CHANNELS, default=1),
        )
        if described.samples * described.channels > MAX_SAMPLES:
            raise FormatError(f"a sound of more than {MAX_SAMPLES} numbers is too large")
        return described

    @property
    def shape(self) -> tuple[int, ...]:
        return (self.samples, self.channels)

    @property
    def dtype(self) -> str:
        return "<f4"
