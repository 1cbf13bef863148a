"""The size of a DICOM picture, read from its data elements."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from kafkaml.records.media.exceptions import UnusableError

_PREAMBLE = 132
_UNDEFINED = 0xFFFFFFFF
_DELIMITERS = 0xFFFE
_TRANSFER_SYNTAX = (0x0002, 0x0010)
_FRAMES = (0x0028, 0x0008)
_ROWS = (0x0028, 0x0010)
_COLUMNS = (0x0028, 0x0011)
_PIXELS = (0x7FE0, 0x0010)
_LONG_LENGTHS = frozenset(b"OB OD OF OL OV OW SQ SV UC UN UR UT UV".split())

IMPLICIT = "1.2.840.10008.1.2"
DEFLATED = "1.2.840.10008.1.2.1.99"
BIG_ENDIAN = "1.2.840.10008.1.2.2"

Tag = tuple[int, int]


@dataclass(frozen=True, slots=True)
class _Coding:
    order: str
    is_implicit: bool


_EXPLICIT = _Coding("<", is_implicit=False)


def size_of(content: bytes) -> tuple[int, int]:
    """Return width and height; raise UnusableError unless there is just one picture.

    Elements of sequences count like those outside, so that the largest size decides.
    """
    found: dict[Tag, int] = {}
    for tag, value, order in _elements(content):
        if tag in {_ROWS, _COLUMNS} and len(value) >= 2:
            number = struct.unpack_from(f"{order}H", value)[0]
        elif tag == _FRAMES:
            text = value.strip(b" \0")
            number = int(text) if text.isdigit() and len(text) < 10 else 1
        else:
            continue
        found[tag] = max(number, found.get(tag, 0))
    if found.get(_FRAMES, 1) > 1:
        raise UnusableError(f"is a DICOM file of {found[_FRAMES]} frames, not one picture")
    return found.get(_COLUMNS, 0), found.get(_ROWS, 0)


def _elements(content: bytes) -> Iterator[tuple[Tag, bytes, str]]:
    """Yield tag, value and byte order of the elements before the pixels."""
    place, coding, of_data = _PREAMBLE, _EXPLICIT, _EXPLICIT
    while place < len(content):
        (group,) = struct.unpack_from("<H", content, place)
        coding = _EXPLICIT if group == 0x0002 else of_data
        tag, start, length = _header(content, place, coding)
        if tag == _PIXELS:
            return
        if length == _UNDEFINED or tag[0] == _DELIMITERS:
            place = start  # what it holds is looked at, too
            continue
        value = content[start : start + length]
        place = start + length
        if tag == _TRANSFER_SYNTAX:
            of_data = _coding_of(value.rstrip(b" \0").decode("ascii", "replace"))
        yield tag, value, coding.order


def _coding_of(syntax: str) -> _Coding:
    if syntax == DEFLATED:
        raise UnusableError("is a deflated DICOM file, which is not supported")
    if syntax == BIG_ENDIAN:
        return _Coding(">", is_implicit=False)
    return _Coding("<", is_implicit=syntax == IMPLICIT)


def _header(content: bytes, place: int, coding: _Coding) -> tuple[Tag, int, int]:
    """Return the tag, where its value starts, and how many bytes that has."""
    order = coding.order
    group, element = struct.unpack_from(f"{order}HH", content, place)
    kind = content[place + 4 : place + 6]
    if group == _DELIMITERS or coding.is_implicit:
        (length,) = struct.unpack_from(f"{order}I", content, place + 4)
        return (group, element), place + 8, length
    if kind in _LONG_LENGTHS:
        (length,) = struct.unpack_from(f"{order}I", content, place + 8)
        return (group, element), place + 12, length
    (length,) = struct.unpack_from(f"{order}H", content, place + 6)
    return (group, element), place + 8, length
