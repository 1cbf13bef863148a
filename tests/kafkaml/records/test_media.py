"""Pictures and sounds through the real decoders, in their own process."""

import os
import signal
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from kafkaml.exceptions import CodecUnavailableError, FormatError
from kafkaml.formats import AudioFormat, ImageFormat
from kafkaml.records import feature_codec
from kafkaml.records.media.codec import MediaCodec
from kafkaml.records.media.decoder import Decoder
from kafkaml.records.media.decoders import decode
from kafkaml.records.media.encoding import png_of
from kafkaml.records.media.exceptions import UnusableError

from .media_files import Pixels, dicom, tiff, tone, wav, webp

DATA = Path(__file__).parents[2] / "data"
ENDLESS = DATA / "endless.flac"
COMPUTING_SECONDS = 1.0  # the least; a good record takes some milliseconds
RANDOM = np.random.default_rng(7)
PIXELS = RANDOM.integers(0, 256, (20, 30, 3), np.uint8)
SHARED = settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    deadline=None,
    max_examples=10,
)


@pytest.fixture(scope="module")
def images() -> MediaCodec:
    return MediaCodec(ImageFormat(20, 30))


@pytest.fixture(scope="module")
def sounds() -> MediaCodec:
    start = partial(Decoder, computing_seconds=COMPUTING_SECONDS)
    return MediaCodec(AudioFormat(8000, 8000), start=start)


@SHARED
@given(arrays(np.uint8, st.tuples(st.integers(0, 4), *map(st.just, (20, 30, 3)))))
def test_pictures_come_back_as_they_were(images: MediaCodec, batch: Pixels) -> None:
    decoded = images.decode(images.encode(batch))
    np.testing.assert_array_equal(decoded.array, batch)
    assert decoded.array.dtype == np.uint8
    assert not decoded.bad


@SHARED
@given(st.integers(0, 4), st.integers(0, 2**32))
def test_sounds_come_back_as_they_were(sounds: MediaCodec, count: int, seed: int) -> None:
    uniform = np.random.default_rng(seed).uniform(-1, 1, (count, 8000, 1))
    batch = uniform.astype(np.float32)
    decoded = sounds.decode(sounds.encode(batch))
    np.testing.assert_array_equal(decoded.array, batch)


@SHARED
@given(st.lists(st.none() | st.binary(max_size=50), max_size=10))
def test_arbitrary_bytes_are_bad_records(
    images: MediaCodec, sounds: MediaCodec, values: list[bytes | None]
) -> None:
    for codec in (images, sounds):
        decoded = codec.decode(values)
        assert [bad.index for bad in decoded.bad] == list(range(len(values)))
        assert decoded.array.shape == (0, *codec.shape)


def test_every_kind_of_picture_is_decoded(images: MediaCodec) -> None:
    grey = np.arange(600, dtype=np.uint16).reshape(20, 30) * np.uint16(6)
    values = [tiff(PIXELS), webp(30, 20, (10, 200, 30)), dicom(grey)]
    decoded = images.decode(values)
    assert not decoded.bad
    np.testing.assert_array_equal(decoded.array[0], PIXELS)
    assert (decoded.array[1] == (10, 200, 30)).all()
    expected = grey[..., np.newaxis] / 4095 * 255
    assert np.abs(decoded.array[2] - expected).max() <= 1


def test_pictures_get_the_channels_that_are_wanted() -> None:
    smooth = np.full((20, 30, 3), (200, 100, 50), np.uint8)
    for content in (png_of(smooth), tiff(smooth), webp(30, 20, (200, 100, 50))):
        grey = decode(ImageFormat(20, 30, channels=1), content)
        assert grey.shape == (20, 30, 1)
        assert abs(int(grey[0, 0, 0]) - 124) <= 1
        opaque = decode(ImageFormat(20, 30, channels=4), content)
        assert opaque[0, 0].tolist() == [200, 100, 50, 255]
    nine = png_of(np.full((20, 30, 1), 9, np.uint8))
    assert decode(ImageFormat(20, 30), nine)[0, 0].tolist() == [9, 9, 9]


def test_pictures_are_resized_or_refused() -> None:
    content = png_of(PIXELS)
    resized = decode(ImageFormat(10, 15, resize="nearest"), content)
    assert resized.shape == (10, 15, 3)
    assert np.isin(resized.reshape(-1, 3), PIXELS.reshape(-1, 3)).all()
    with pytest.raises(UnusableError, match="30 x 20 pixels, not 15 x 10"):
        decode(ImageFormat(10, 15, resize=None), content)


def test_samples_of_any_width_are_the_same_sound(sounds: MediaCodec) -> None:
    samples = tone(rate=8000)
    values = [
        wav(samples),
        wav((samples * 2**15).astype("<i2")),
        wav((samples * 2**23).astype("<i4"), bits=24),
        wav((samples * 2**7 + 128).round().astype(np.uint8)),
        wav(np.repeat(samples, 2, axis=1)),
    ]
    decoded = sounds.decode(values)
    assert not decoded.bad
    for row in decoded.array:
        assert np.abs(row - samples).max() < 0.01


@pytest.mark.parametrize("kind", ["flac", "mp3", "ogg"])
def test_every_kind_of_sound_is_decoded(sounds: MediaCodec, kind: str) -> None:
    """The files hold `tone(rate=8000)`, the first half of it as FLAC."""
    decoded = sounds.decode([(DATA / f"tone.{kind}").read_bytes()])
    assert not decoded.bad
    (found,) = decoded.array[..., :4000, 0]
    spectrum = np.abs(np.fft.rfft(found))
    assert spectrum.argmax() * 2 == 440
    expected = tone(rate=8000)[:4000]
    assert np.sqrt(np.square(found).mean()) == pytest.approx(
        np.sqrt(np.square(expected).mean()), rel=0.05
    )


def test_sounds_are_resampled_cut_and_filled(sounds: MediaCodec) -> None:
    values = [
        wav(tone(rate=44_100), rate=44_100),
        wav(tone(rate=8000, seconds=2)),
        wav(tone(rate=8000, seconds=0.5)),
    ]
    array = sounds.decode(values).array
    assert array.shape == (3, 8000, 1)
    spectrum = np.abs(np.fft.rfft(array[..., 0], axis=1))
    assert spectrum[:2].argmax(axis=1).tolist() == [440, 440]
    assert not array[2, 4000:].any()


def test_a_killed_decoder_costs_no_good_record(sounds: MediaCodec) -> None:
    good = wav(tone(rate=8000))
    decoder = sounds.prepare()
    sounds.decode([good])
    for _ in range(3):
        (fork,) = _children(decoder._process.pid)
        os.kill(fork, signal.SIGSEGV)
        decoded = sounds.decode([good, b"", good])
        assert decoded.good.tolist() == [0, 2]


def test_a_record_that_ends_its_decoder_is_bad_and_no_other(sounds: MediaCodec) -> None:
    good, flac = wav(tone(rate=8000)), ENDLESS.read_bytes()
    decoded = sounds.decode([good, flac, good])
    assert decoded.good.tolist() == [0, 2]
    assert "not decoded after 1 seconds of computing" in decoded.bad[0].reason


def test_the_worker_has_no_secrets_and_ends_with_its_codec(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("KAFKA_ML_TOKEN", "secret")
    decoder = Decoder(ImageFormat(2, 2))
    process = decoder._process
    environment = Path(f"/proc/{process.pid}/environ").read_bytes()
    assert b"secret" not in environment
    decoder.close()
    assert process.returncode == -signal.SIGKILL


def test_a_worker_that_cannot_start_is_said_to_be_away() -> None:
    codec = MediaCodec(ImageFormat(2, 2), start=partial(Decoder, python="/bin/false"))
    with pytest.raises(CodecUnavailableError, match="has ended"):
        codec.decode([b"x"])


@pytest.mark.parametrize(
    ("name", "config", "reason"),
    [
        ("IMAGE", {}, "height: give a whole number from 1 to 8192"),
        ("IMAGE", {"height": 8, "width": True}, "width"),
        ("IMAGE", {"height": 8, "width": 8, "channels": 2}, "channels"),
        ("IMAGE", {"height": 8, "width": 8, "resize": "best"}, "bilinear, nearest"),
        ("IMAGE", {"height": 8192, "width": 8192}, "too large"),
        ("AUDIO", {"samples": 8}, "rate"),
        ("AUDIO", {"samples": "8", "rate": 8000}, "samples"),
        ("AUDIO", {"samples": 2**26, "rate": 8000, "channels": 2}, "too large"),
    ],
)
def test_a_configuration_that_means_nothing_is_refused(
    name: str, config: dict[str, object], reason: str
) -> None:
    with pytest.raises(FormatError, match=reason):
        feature_codec(name, config)


def test_arrays_that_no_file_of_the_format_holds_are_refused(images: MediaCodec) -> None:
    for batch in (PIXELS, PIXELS[np.newaxis].astype(np.float32)):
        with pytest.raises(FormatError, match=r"shape|uint8"):
            images.encode(batch)


def _children(process: int) -> list[int]:
    path = Path(f"/proc/{process}/task/{process}/children")
    return [int(each) for each in path.read_text().split()]
