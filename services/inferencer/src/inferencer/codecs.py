"""The codec that fits both the order's format and its model."""

import math
from collections.abc import Sequence
from dataclasses import replace

from inferencer.exceptions import DeliveryError, RecordFormatError
from kafkaml.exceptions import CodecUnavailableError, FormatError
from kafkaml.formats import RawFormat, feature_format
from kafkaml.records import Codec, Decoded, codec_for
from kafkaml.records.base import Array
from kafkaml.records.media.codec import MediaCodec
from kafkaml.schemas.attempts import InferenceOrder


def codec_of(order: InferenceOrder) -> Codec:
    """Return the codec of the input topic; raise RecordFormatError if it cannot fit."""
    try:
        described = feature_format(order.input_format, order.input_config)
    except FormatError as e:
        raise RecordFormatError(f"{e}. Give the inference another input_config.") from e
    shape = tuple(order.input_shape)
    if described.shape is not None and math.prod(described.shape) != math.prod(shape):
        raise RecordFormatError(
            f"by input_config a record has the shape {described.shape}, the model was "
            f"trained on {shape}. Give the inference an input_config that fits the model."
        )
    if isinstance(described, RawFormat):
        # Without a shape the commonest size of each batch would decide which are bad.
        described = replace(described, shape=shape)
    codec = codec_for(described)
    if isinstance(codec, MediaCodec):
        codec.prepare()  # which takes some seconds, beside the other preparations
    return PatientCodec(codec)


class PatientCodec:
    """A codec whose batches are done again while what it needs is away."""

    def __init__(self, codec: Codec) -> None:
        self.shape = codec.shape
        self._codec = codec

    def decode(self, values: Sequence[bytes | None]) -> Decoded:
        """Decode a batch; raise DeliveryError if that can succeed later."""
        try:
            return self._codec.decode(values)
        except CodecUnavailableError as e:
            raise DeliveryError(str(e)) from e

    def encode(self, array: Array) -> list[bytes]:
        return self._codec.encode(array)
