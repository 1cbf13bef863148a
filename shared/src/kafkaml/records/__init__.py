"""Record formats: a codec turns record values into one array, and back."""

from kafkaml.records.base import BadRecord, Codec, Decoded
from kafkaml.records.formats import (
    INPUT_FORMATS,
    RecordFormat,
    feature_codec,
    record_format,
)

__all__ = [
    "INPUT_FORMATS",
    "BadRecord",
    "Codec",
    "Decoded",
    "RecordFormat",
    "feature_codec",
    "record_format",
]
