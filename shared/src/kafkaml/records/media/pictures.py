"""What the header of a picture says, before a decoder believes it."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from kafkaml.formats.image import KINDS
from kafkaml.records.media import dicom
from kafkaml.records.media.exceptions import UnusableError

MAX_PIXELS = 2**25

_START_OF_FRAME = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
_WITHOUT_LENGTH = {0x01, *range(0xD0, 0xD9)}
_LONG, _SHORT = 4, 3
_IMAGE_WIDTH, _IMAGE_LENGTH = 256, 257


@dataclass(frozen=True, slots=True)
class Picture:
    """The kind of a picture, one of `formats.image.KINDS`, and its size in pixels."""

    kind: str
    width: int
    height: int


def picture_of(content: bytes) -> Picture:
    """Return what the header says; raise UnusableError if it cannot be decoded safely."""
    try:
        picture = _read(content)
    except (struct.error, IndexError) as e:
        raise UnusableError("ends within the header of the picture") from e
    if not picture.width or not picture.height:
        raise UnusableError(f"is a {picture.kind} picture without a size")
    if picture.width * picture.height > MAX_PIXELS:
        raise UnusableError(
            f"announces {picture.width} x {picture.height} pixels, "
            f"{MAX_PIXELS} in all is the most"
        )
    return picture


def _read(content: bytes) -> Picture:
    if content.startswith(b"\xff\xd8\xff"):
        return Picture("JPEG", *_jpeg_size(content))
    if content.startswith(b"\x89PNG\r\n\x1a\n"):
        return Picture("PNG", *_png_size(content))
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return Picture("WebP", *_webp_size(content))
    if content[:4] in {b"II*\0", b"MM\0*"}:
        return Picture("TIFF", *_tiff_size(content))
    if content[128:132] == b"DICM":
        return Picture("DICOM", *dicom.size_of(content))
    if not content:
        raise UnusableError("is empty")
    raise UnusableError(f"is no picture of a known kind: {', '.join(KINDS)}")


def _jpeg_size(content: bytes) -> tuple[int, int]:
    place = 2
    while True:
        if content[place] != 0xFF:
            raise UnusableError("is a JPEG picture with a damaged header")
        marker = content[place + 1]
        if marker == 0xFF:
            place += 1
        elif marker in _WITHOUT_LENGTH:
            place += 2
        elif marker in _START_OF_FRAME:
            height, width = struct.unpack_from(">HH", content, place + 5)
            return width, height
        else:
            place += 2 + max(2, *struct.unpack_from(">H", content, place + 2))


def _png_size(content: bytes) -> tuple[int, int]:
    if content[12:16] != b"IHDR":
        raise UnusableError("is a PNG picture with a damaged header")
    width, height = struct.unpack_from(">II", content, 16)
    return width, height


def _webp_size(content: bytes) -> tuple[int, int]:
    match content[12:16]:
        case b"VP8 " if content[23:26] == b"\x9d\x01\x2a":
            width, height = struct.unpack_from("<HH", content, 26)
            return width & 0x3FFF, height & 0x3FFF
        case b"VP8L" if content[20] == 0x2F:
            (bits,) = struct.unpack_from("<I", content, 21)
            return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
        case b"VP8X":
            if content[20] & 0x02:
                raise UnusableError("is an animation, not one picture")
            canvas = content[24:27], content[27:30]
            width, height = (int.from_bytes(each, "little") + 1 for each in canvas)
            return width, height
    raise UnusableError("is a WebP picture with a damaged header")


def _tiff_size(content: bytes) -> tuple[int, int]:
    order = "<" if content.startswith(b"II") else ">"
    (start,) = struct.unpack_from(f"{order}I", content, 4)
    (count,) = struct.unpack_from(f"{order}H", content, start)
    sizes = dict(_tiff_numbers(content, order, start + 2, count))
    (another,) = struct.unpack_from(f"{order}I", content, start + 2 + 12 * count)
    if another:
        raise UnusableError("is a TIFF file of several pictures")
    return sizes.get(_IMAGE_WIDTH, 0), sizes.get(_IMAGE_LENGTH, 0)


def _tiff_numbers(
    content: bytes, order: str, start: int, count: int
) -> Iterator[tuple[int, int]]:
    for place in range(start, start + 12 * count, 12):
        tag, kind, _ = struct.unpack_from(f"{order}HHI", content, place)
        if kind in {_SHORT, _LONG}:
            size = "H" if kind == _SHORT else "I"
            (number,) = struct.unpack_from(f"{order}{size}", content, place + 8)
            yield tag, number
