"""Record formats: a codec turns record values into one array, and back."""

from kafkaml.records.base import BadRecord, Codec, Decoded
from kafkaml.records.formats import (
    RecordFormat,
    codec_for,
    feature_codec,
    record_format,
)

__all__ = [
    "BadRecord",
    "Codec",
    "Decoded",
    "RecordFormat",
    "codec_for",
    "feature_codec",
    "record_format",
]
