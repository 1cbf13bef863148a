"""The IMAGE format: one picture a record, as a file of it would be."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from kafkaml.exceptions import FormatError
from kafkaml.formats.numbers import one_of, whole_number

KINDS = ("JPEG", "PNG", "WebP", "TIFF", "DICOM")
RESIZINGS = ("bilinear", "nearest", "bicubic", "area")
MAX_SIDE = 8192
MAX_VALUES = 2**26


@dataclass(frozen=True, slots=True)
class ImageFormat:
    """Pictures that become bytes of shape `(height, width, channels)`.

    1 channel is grey, 3 are red, green and blue, 4 these and alpha. A picture of another
    size is stretched as `resize` says; if that is None, it is bad.
    """

    height: int
    width: int
    channels: int = 3
    resize: str | None = "bilinear"
    part: str = "value"

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """Read the settings; raise FormatError if one is missing or wrong."""
        resize = config.get("resize", "bilinear")
        described = cls(
            whole_number(config, "height", most=MAX_SIDE),
            whole_number(config, "width", most=MAX_SIDE),
            whole_number(config, "channels", most=4, default=3),
            None if resize is None else one_of(resize, "resize", RESIZINGS),
        )
        if described.channels == 2:
            raise FormatError("channels: a picture has 1 (grey), 3 (RGB) or 4 (RGBA)")
        if described.height * described.width * described.channels > MAX_VALUES:
            raise FormatError(f"a picture of more than {MAX_VALUES} numbers is too large")
        return described

    @property
    def shape(self) -> tuple[int, ...]:
        return (self.height, self.width, self.channels)

    @property
    def dtype(self) -> str:
        return "|u1"
