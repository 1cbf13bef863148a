"""The decoders of TensorFlow and TensorFlow I/O. Only the worker imports this module.

TensorFlow I/O's reader of DICOM gives its frames first, and its reader of TIFF knows RGBA
only; both are brought to one picture with the channels that are wanted.
"""

from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_io as tfio

from kafkaml.formats.audio import AudioFormat
from kafkaml.formats.image import ImageFormat
from kafkaml.records.base import Array
from kafkaml.records.media.exceptions import UnusableError
from kafkaml.records.media.pictures import Picture, picture_of
from kafkaml.records.media.sounds import Sound, sound_of

_GREY = np.array([0.299, 0.587, 0.114], np.float32)
_ZEROS = {"uint8": (128, 128), "int16": (0, 2**15), "int32": (0, 2**31)}


def decode(described: ImageFormat | AudioFormat, content: bytes) -> Array:
    """Return one record of the shape and type described; raise UnusableError if bad."""
    try:
        if isinstance(described, ImageFormat):
            return np.ascontiguousarray(_picture(described, content))
        return np.ascontiguousarray(_sound(described, content))
    except (tf.errors.OpError, ValueError) as e:
        text = str(e).rsplit("}}", maxsplit=1)[-1].split(" [Op:")[0].strip()
        raise UnusableError(f"cannot be decoded: {text[:200]}") from e


def _picture(described: ImageFormat, content: bytes) -> Array:
    header = picture_of(content)
    pixels = _with_channels(_pixels(header, content, described.channels), described)
    size = (described.height, described.width)
    if pixels.shape[:2] == size:
        return pixels
    if described.resize is None:
        raise UnusableError(
            f"is a picture of {pixels.shape[1]} x {pixels.shape[0]} pixels, not "
            f"{size[1]} x {size[0]}"
        )
    resized = tf.image.resize(pixels, size, method=described.resize).numpy()
    return np.rint(resized).clip(0, 255).astype(np.uint8)  # type: ignore[no-any-return]


def _pixels(header: Picture, content: bytes, channels: int) -> Array:
    """Return pixels as uint8 of shape `(height, width, any channels)`."""
    match header.kind:
        case "JPEG":
            return _array(tf.io.decode_jpeg(content, channels=min(channels, 3)))
        case "PNG":
            return _array(tf.io.decode_png(content, channels=channels))
        case "WebP":
            return _array(tfio.image.decode_webp(content))
        case "TIFF":
            return _array(tfio.experimental.image.decode_tiff(content))
        case _:
            return _medical(content)


def _medical(content: bytes) -> Array:
    """Return a DICOM picture whose least and largest possible values are 0 and 255."""
    frames = _array(
        tfio.image.decode_dicom_image(
            content, color_dim=True, on_error="strict", scale="auto", dtype=tf.float32
        )
    )
    if frames.ndim != 4 or len(frames) != 1:
        raise UnusableError(f"is a DICOM file of {len(frames)} frames, not one picture")
    return np.rint(frames[0] * 255).clip(0, 255).astype(np.uint8)  # type: ignore[no-any-return]


def _with_channels(pixels: Array, described: ImageFormat) -> Array:
    have, wanted = pixels.shape[2], described.channels
    if have == wanted:
        return pixels
    if wanted == 1:
        grey = np.rint(pixels[..., :3] @ _GREY).astype(np.uint8)
        return grey[..., np.newaxis]  # type: ignore[no-any-return]
    colours = np.repeat(pixels[..., :1], 3, axis=2) if have < 3 else pixels[..., :3]
    if wanted == 3:
        return colours
    opaque = np.full((*colours.shape[:2], 1), 255, np.uint8)
    return np.concatenate([colours, opaque], axis=2)


def _sound(described: AudioFormat, content: bytes) -> Array:
    header = sound_of(content)
    samples = _with_right_channels(_samples(header, content), described)
    # What is cut later need not be resampled; some more, as a filter looks ahead.
    needed = -(-described.samples * header.rate // described.rate) + header.rate
    samples = samples[:needed]
    if header.rate != described.rate:
        samples = _array(_resampled(samples, header.rate, described.rate))
    result = np.zeros(described.shape, np.float32)
    kept = samples[: described.samples]
    result[: len(kept)] = np.nan_to_num(kept, posinf=1.0, neginf=-1.0)
    return result


@tf.function(  # type: ignore[untyped-decorator]
    input_signature=[
        tf.TensorSpec([None, None], tf.float32),
        tf.TensorSpec([], tf.int64),
        tf.TensorSpec([], tf.int64),
    ]
)
def _resampled(samples: Any, rate: Any, wanted: Any) -> Any:
    """Resample; traced once, as outside of a graph each call is traced for 80 ms."""
    return tfio.audio.resample(samples, rate, wanted)


def _samples(header: Sound, content: bytes) -> Array:
    """Return samples as float32 of shape `(samples, channels)`."""
    match header.kind:
        case "WAV":
            found = tfio.audio.decode_wav(content, dtype=tf.as_dtype(header.dtype))
        case "FLAC":
            found = tfio.audio.decode_flac(content, dtype=tf.as_dtype(header.dtype))
        case "MP3":
            found = tfio.audio.decode_mp3(content)
        case _:
            found = tfio.audio.decode_vorbis(content)
    samples = _array(found)
    if samples.ndim != 2 or not len(samples):
        raise UnusableError("is a sound without samples")
    if header.dtype == "float32":
        return samples
    zero, largest = _ZEROS[header.dtype]
    return ((samples.astype(np.float64) - zero) / largest).astype(np.float32)


def _with_right_channels(samples: Array, described: AudioFormat) -> Array:
    have, wanted = samples.shape[1], described.channels
    if have == wanted:
        return samples
    if wanted == 1:
        return samples.mean(axis=1, keepdims=True, dtype=np.float32)  # type: ignore[no-any-return]
    if have == 1:
        return np.repeat(samples, wanted, axis=1)
    raise UnusableError(f"is a sound of {have} channels, not {wanted}")


def _array(tensor: Any) -> Array:
    return tensor.numpy()  # type: ignore[no-any-return]
