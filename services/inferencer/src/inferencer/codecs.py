"""The codec that fits both the order's format and its model."""

import math
from dataclasses import replace

from inferencer.exceptions import RecordFormatError
from kafkaml.exceptions import FormatError
from kafkaml.formats import RawFormat, feature_format
from kafkaml.records import Codec, codec_for
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
    return codec_for(described)
