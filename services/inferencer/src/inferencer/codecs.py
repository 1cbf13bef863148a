"""The codec that fits both the order's format and its model."""

import math
from dataclasses import replace

from inferencer.exceptions import RecordFormatError
from kafkaml.exceptions import FormatError
from kafkaml.records.base import Codec
from kafkaml.records.formats import feature_codec
from kafkaml.records.raw import RawCodec
from kafkaml.schemas.attempts import InferenceOrder


def codec_of(order: InferenceOrder) -> Codec:
    """Return the codec of the input topic; raise RecordFormatError if it cannot fit."""
    try:
        codec = feature_codec(order.input_format, order.input_config)
    except FormatError as e:
        raise RecordFormatError(f"{e}. Give the inference another input_config.") from e
    shape = tuple(order.input_shape)
    if codec.shape is not None and math.prod(codec.shape) != math.prod(shape):
        raise RecordFormatError(
            f"by input_config a record has the shape {codec.shape}, the model was trained "
            f"on {shape}. Give the inference an input_config that fits the model."
        )
    if isinstance(codec, RawCodec):
        # Without a shape the commonest size of each batch would decide which are bad.
        return replace(codec, shape=shape)
    return codec
