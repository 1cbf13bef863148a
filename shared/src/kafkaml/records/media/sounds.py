"""What the header of a sound says, before a decoder believes it."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from kafkaml.formats.audio import KINDS, MAX_CHANNELS, MAX_RATE, MAX_SAMPLES
from kafkaml.records.media.exceptions import UnusableError

_PCM, _FLOAT, _EXTENSIBLE = 1, 3, 0xFFFE
_WAV_TYPES = {
    (_PCM, 8): "uint8",
    (_PCM, 16): "int16",
    (_PCM, 24): "int32",
    (_FLOAT, 32): "float32",
}
_FLAC_TYPES = {8: "uint8", 16: "int16", 24: "int32"}
_MP3_RATES = {3: (44100, 48000, 32000), 2: (22050, 24000, 16000), 0: (11025, 12000, 8000)}
_LAST_PAGE = 65_536


@dataclass(frozen=True, slots=True)
class Sound:
    """The kind of a sound, its rate in samples per second, and its channels.

    `dtype` is the type that its decoder gives. `samples` is how many a channel announces;
    None where the bytes themselves limit them.
    """

    kind: str
    rate: int
    channels: int
    dtype: str = "float32"
    samples: int | None = None


def sound_of(content: bytes) -> Sound:
    """Return what the header says; raise UnusableError if it cannot be decoded safely."""
    try:
        sound = _read(content)
    except (struct.error, IndexError) as e:
        raise UnusableError("ends within the header of the sound") from e
    if not 1 <= sound.rate <= MAX_RATE or not 1 <= sound.channels <= MAX_CHANNELS:
        raise UnusableError(
            f"announces {sound.channels} channels of {sound.rate} Hz; up to "
            f"{MAX_CHANNELS} channels and {MAX_RATE} Hz are possible"
        )
    if sound.samples is not None and sound.samples * sound.channels > MAX_SAMPLES:
        raise UnusableError(
            f"announces {sound.samples * sound.channels} samples, {MAX_SAMPLES} is the most"
        )
    return sound


def _read(content: bytes) -> Sound:
    if content[:4] == b"RIFF" and content[8:12] == b"WAVE":
        return _wav(content)
    if content.startswith(b"fLaC"):
        return _flac(content)
    if content.startswith(b"OggS"):
        return _ogg(content)
    if content.startswith(b"ID3") or _is_mp3_frame(content, 0):
        return _mp3(content)
    if not content:
        raise UnusableError("is empty")
    raise UnusableError(f"is no sound of a known kind: {', '.join(KINDS)}")


def _wav(content: bytes) -> Sound:
    chunks = dict(_wav_chunks(content))
    if b"fmt " not in chunks or b"data" not in chunks:
        raise UnusableError("is a WAV file without its format or its samples")
    form = chunks[b"fmt "]
    code, channels, rate, _, _, bits = struct.unpack_from("<HHIIHH", form)
    if code == _EXTENSIBLE:
        (code,) = struct.unpack_from("<H", form, 24)
    dtype = _WAV_TYPES.get((code, bits))
    if dtype is None:
        raise UnusableError(
            f"is a WAV file of coding {code} with {bits} bits: use PCM of 8, 16 or 24, or "
            "floats of 32"
        )
    return Sound("WAV", rate, channels, dtype)


def _wav_chunks(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    place = 12
    while place + 8 <= len(content):
        name = content[place : place + 4]
        (length,) = struct.unpack_from("<I", content, place + 4)
        yield name, content[place + 8 : place + 8 + min(length, 64)]
        place += 8 + length + length % 2


def _flac(content: bytes) -> Sound:
    """Read STREAMINFO, which must come first."""
    if content[4] & 0x7F:
        raise UnusableError("is a FLAC file with a damaged header")
    (packed,) = struct.unpack_from(">Q", content, 18)
    bits = (packed >> 36 & 0x1F) + 1
    samples = packed & 0xFFFFFFFFF
    if bits not in _FLAC_TYPES:
        raise UnusableError(f"is a FLAC file with {bits} bits: use 8, 16 or 24")
    if not samples:
        raise UnusableError("is a FLAC stream that does not say how long it is")
    channels = (packed >> 41 & 0x7) + 1
    return Sound("FLAC", packed >> 44, channels, _FLAC_TYPES[bits], samples)


def _ogg(content: bytes) -> Sound:
    start = 27 + content[26]
    packet = content[start : start + 64]
    if not packet.startswith(b"\x01vorbis"):
        codec = "Opus" if packet.startswith(b"OpusHead") else "another codec"
        raise UnusableError(f"is an Ogg file of {codec}: use Vorbis")
    channels, rate = struct.unpack_from("<BI", packet, 11)
    last = content.rfind(b"OggS", max(0, len(content) - _LAST_PAGE))
    (samples,) = struct.unpack_from("<q", content, last + 6)
    if samples < 0:
        raise UnusableError("is an Ogg file without its end")
    return Sound("Ogg Vorbis", rate, channels, samples=samples)


def _mp3(content: bytes) -> Sound:
    place = 0
    if content.startswith(b"ID3"):
        sizes = content[6], content[7], content[8], content[9]
        place = 10
        for shift, size in zip((21, 14, 7, 0), sizes, strict=True):
            place += (size & 0x7F) << shift
    if not _is_mp3_frame(content, place):
        raise UnusableError("is an MP3 file without a first frame")
    version, rate = content[place + 1] >> 3 & 3, content[place + 2] >> 2 & 3
    channels = 1 if content[place + 3] >> 6 == 3 else 2
    return Sound("MP3", _MP3_RATES[version][rate], channels)


def _is_mp3_frame(content: bytes, place: int) -> bool:
    """Whether a frame of layer III with a valid rate and bit rate starts here."""
    header = content[place : place + 4]
    if len(header) < 4 or header[0] != 0xFF or header[1] & 0xE0 != 0xE0:
        return False
    version, layer = header[1] >> 3 & 3, header[1] >> 1 & 3
    bit_rate, rate = header[2] >> 4, header[2] >> 2 & 3
    return version != 1 and layer == 1 and bit_rate not in {0, 15} and rate != 3
