"""Pictures and sounds as files, made by hand: what they hold is known exactly."""

import struct
from typing import Any

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]


def tiff(pixels: Pixels, *, width: int | None = None, pages: int = 1) -> bytes:
    """Return RGB pixels as an uncompressed TIFF file."""
    height, real_width, _ = pixels.shape
    content = pixels.tobytes()
    fields = [
        (256, 4, 1, width or real_width), (257, 4, 1, height), (258, 3, 3, 0),
        (259, 3, 1, 1), (262, 3, 1, 2), (273, 4, 1, 0), (277, 3, 1, 3),
        (278, 4, 1, height), (279, 4, 1, len(content)),
    ]  # fmt: skip
    end = 8 + 2 + 12 * len(fields) + 4
    places = {258: end, 273: end + 6}
    body = struct.pack("<4sIH", b"II*\0", 8, len(fields))
    for tag, kind, count, value in fields:
        body += struct.pack("<HHII", tag, kind, count, places.get(tag, value))
    following = end if pages > 1 else 0
    return body + struct.pack("<IHHH", following, 8, 8, 8) + content


def dicom(pixels: NDArray[np.uint16], *, rows: int | None = None, frames: int = 1) -> bytes:
    """Return grey pixels of 12 bits as a DICOM file."""
    height, width = pixels.shape
    meta = b"".join(
        [
            _element(2, 1, "OB", b"\0\1"),
            _element(2, 2, "UI", b"1.2.840.10008.5.1.4.1.1.7"),
            _element(2, 3, "UI", b"1.2.3"),
            _element(2, 16, "UI", b"1.2.840.10008.1.2.1"),
        ]
    )
    numbers = {2: 1, 0x10: rows or height, 0x11: width, 0x100: 16, 0x101: 12, 0x102: 11}
    described = {
        **{tag: ("US", struct.pack("<H", each)) for tag, each in numbers.items()},
        4: ("CS", b"MONOCHROME2"),
        8: ("IS", str(frames).encode()),
        0x103: ("US", b"\0\0"),
    }
    body = _element(8, 0x16, "UI", b"1.2.840.10008.5.1.4.1.1.7")
    for tag, (kind, value) in sorted(described.items()):
        body += _element(0x28, tag, kind, value)
    body += _element(0x7FE0, 0x10, "OW", pixels.astype("<u2").tobytes() * frames)
    size = _element(2, 0, "UL", struct.pack("<I", len(meta)))
    return bytes(128) + b"DICM" + size + meta + body


def _element(group: int, element: int, kind: str, value: bytes) -> bytes:
    value += (b"\0" if kind in {"UI", "OB"} else b" ") * (len(value) % 2)
    if kind in {"OB", "OW"}:
        return struct.pack("<HH2sHI", group, element, kind.encode(), 0, len(value)) + value
    return struct.pack("<HH2sH", group, element, kind.encode(), len(value)) + value


def webp(width: int, height: int, colour: tuple[int, int, int]) -> bytes:
    """Return a lossless WebP file of one colour: its five codes have one symbol each."""
    bits: list[int] = []

    def put(value: int, count: int) -> None:
        bits.extend(value >> place & 1 for place in range(count))

    red, green, blue = colour
    for value, count in ((0x2F, 8), (width - 1, 14), (height - 1, 14), (1, 1), (0, 3)):
        put(value, count)
    put(0, 3)  # no transform, no cache of colours, one group of codes
    for value in (green, red, blue, 255):
        put(0b101, 3)  # a simple code of one symbol, which has 8 bits
        put(value, 8)
    put(0b0001, 4)  # likewise for distances: symbol 0
    content = np.packbits(np.array(bits, np.uint8), bitorder="little").tobytes()
    content += bytes(len(content) % 2)
    body = b"WEBPVP8L" + struct.pack("<I", len(content)) + content
    return b"RIFF" + struct.pack("<I", len(body)) + body


def wav(samples: NDArray[Any], *, rate: int = 8000, bits: int | None = None) -> bytes:
    """Return integers or floats of shape `(samples, channels)` as a WAV file."""
    content = samples.tobytes()
    width = bits or samples.dtype.itemsize * 8
    if width == 24:
        content = samples.astype("<i4").view(np.uint8).reshape(-1, 4)[:, :3].tobytes()
    kind, channels = (3 if samples.dtype.kind == "f" else 1), samples.shape[1]
    size = channels * width // 8
    form = struct.pack("<HHIIHH", kind, channels, rate, rate * size, size, width)
    body = b"WAVEfmt " + struct.pack("<I", len(form)) + form
    body += b"data" + struct.pack("<I", len(content)) + content
    return b"RIFF" + struct.pack("<I", len(body)) + body


def tone(*, rate: int, seconds: float = 1.0, hertz: float = 440.0) -> NDArray[np.float32]:
    """Return a sine of half the loudness, shape `(samples, 1)`."""
    times = np.arange(int(rate * seconds)) / rate
    samples: NDArray[np.float32] = np.sin(times * 2 * np.pi * hertz).astype(np.float32)
    return samples[:, np.newaxis] / 2
