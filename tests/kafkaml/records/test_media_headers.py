"""Headers are looked at before a decoder sees them, and never raise anything else."""

import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kafkaml.records.media.encoding import png_of, wav_of
from kafkaml.records.media.exceptions import UnusableError
from kafkaml.records.media.pictures import Picture, picture_of
from kafkaml.records.media.sounds import sound_of

from .media_files import dicom, tiff, wav, webp

PIXELS = np.zeros((20, 30, 3), np.uint8)
GREY = np.zeros((20, 30), np.uint16)
PNG = png_of(PIXELS)
JPEG = b"\xff\xd8\xff\xe0\0\x04ab\xff\xff\xc0\0\x11\x08\0\x14\0\x1e\x03"
FLAC = b"fLaC\0\0\0\x22" + bytes(10) + struct.pack(">Q", 8000 << 44 | 15 << 36 | 80)
OGG_HEAD = b"OggS\0\2" + struct.pack("<q", 9) + bytes(12) + b"\1\x1e"
OGG = OGG_HEAD + b"\x01vorbis" + bytes(4) + b"\2" + struct.pack("<I", 44100)
MP3 = b"\xff\xfb\x90\xc0"
SOUND = wav_of(np.zeros((9, 2), np.float32), rate=8000)
FILES = [
    JPEG, PNG, webp(30, 20, (1, 2, 3)), tiff(PIXELS), dicom(GREY), FLAC, OGG, MP3, SOUND
]  # fmt: skip


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (JPEG, "JPEG"),
        (PNG, "PNG"),
        (webp(30, 20, (1, 2, 3)), "WebP"),
        (tiff(PIXELS), "TIFF"),
        (dicom(GREY), "DICOM"),
    ],
)
def test_kind_and_size_of_a_picture_are_those_of_its_header(
    content: bytes, kind: str
) -> None:
    assert picture_of(content) == Picture(kind, 30, 20)


@pytest.mark.parametrize(
    ("content", "kind", "rate", "channels"),
    [
        (SOUND, "WAV", 8000, 2),
        (FLAC, "FLAC", 8000, 1),
        (OGG, "Ogg Vorbis", 44100, 2),
        (MP3, "MP3", 44100, 1),
        (b"ID3\4\0\0\0\0\0\2xx" + MP3, "MP3", 44100, 1),
    ],
)
def test_kind_rate_and_channels_of_a_sound_are_those_of_its_header(
    content: bytes, kind: str, rate: int, channels: int
) -> None:
    sound = sound_of(content)
    assert (sound.kind, sound.rate, sound.channels) == (kind, rate, channels)


LARGE = struct.pack(">II", 100_000, 100_000)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "is empty"),
        (b"text", "is no picture of a known kind"),
        (PNG[:16] + LARGE + PNG[24:], "announces 100000 x 100000 pixels"),
        (JPEG[:-5] + b"\xff\xff\xff\xff\3", "announces 65535 x 65535 pixels"),
        (tiff(PIXELS, width=2**31), "announces 2147483648 x 20 pixels"),
        (dicom(np.zeros((1, 60_000), np.uint16), rows=60_000), "60000 x 60000"),
        (webp(16384, 16384, (0, 0, 0)), "announces 16384 x 16384"),
        (b"RIFF....WEBPVP8X" + bytes(4) + b"\2" + bytes(9), "is an animation"),
        (tiff(PIXELS, pages=2), "several pictures"),
        (dicom(GREY, frames=3), "3 frames"),
        (dicom(GREY, rows=0).replace(b"US\2\0\x14\0", b"US\2\0\0\0"), "without a size"),
        (PNG[:20], "ends within the header"),
    ],
)
def test_pictures_that_must_not_be_decoded_are_refused(content: bytes, reason: str) -> None:
    with pytest.raises(UnusableError, match=reason):
        picture_of(content)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "is empty"),
        (PNG, "is no sound of a known kind"),
        (FLAC[:-4] + b"\xff\xff\xff\xff", "announces 4294967295 samples"),
        (FLAC[:-4] + bytes(4), "does not say how long"),
        (OGG.replace(struct.pack("<q", 9), struct.pack("<q", 2**40)), "announces"),
        (OGG_HEAD + b"OpusHead" + bytes(20), "Opus"),
        (wav(np.zeros((2, 9), np.int16)), "9 channels"),
        (wav(np.zeros((2, 1), np.int16), rate=10**6), "1000000 Hz"),
        (wav(np.zeros((2, 1), np.float64)), "coding 3 with 64 bits"),
        (SOUND[:36], "without its format or its samples"),
        (b"ID3\4\0\0\0\0\0\2xx", "without a first frame"),
    ],
)
def test_sounds_that_must_not_be_decoded_are_refused(content: bytes, reason: str) -> None:
    with pytest.raises(UnusableError, match=reason):
        sound_of(content)


@given(
    st.binary(max_size=100),
    st.sampled_from(FILES),
    st.integers(0, 400),
    st.integers(0, 400),
)
def test_damaged_headers_are_refused_or_read(
    noise: bytes, file: bytes, start: int, end: int
) -> None:
    for content in (noise, file[:start], file[:start] + noise + file[end:]):
        for read in (picture_of, sound_of):
            try:
                read(content)
            except UnusableError:
                continue
