"""From a format's name and configuration to its codecs."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kafkaml.exceptions import FormatError
from kafkaml.records.avro import AvroCodec
from kafkaml.records.base import Codec
from kafkaml.records.json import JsonCodec
from kafkaml.records.raw import RawCodec

INPUT_FORMATS = ("RAW", "AVRO", "JSON")


@dataclass(frozen=True, slots=True)
class RecordFormat:
    """How the records of a stream are read: the value holds features, the key the label.

    In JSON a label is a field of the value; `labels_in_value` then says so.
    """

    features: Codec
    labels: Codec
    labels_in_value: bool


def record_format(input_format: str, input_config: Mapping[str, Any]) -> RecordFormat:
    """Return the codecs of a training stream; raise FormatError if they cannot be made."""
    match input_format:
        case "RAW":
            return RecordFormat(
                RawCodec.from_config(input_config, "data"),
                RawCodec.from_config(input_config, "label"),
                labels_in_value=False,
            )
        case "AVRO":
            return RecordFormat(
                AvroCodec.from_config(input_config, "data_scheme"),
                AvroCodec.from_config(input_config, "label_scheme"),
                labels_in_value=False,
            )
        case "JSON":
            return RecordFormat(
                JsonCodec.from_config(input_config, "data_fields"),
                JsonCodec.from_config(input_config, "label_fields"),
                labels_in_value=True,
            )
    raise unknown_format(input_format)


def feature_codec(input_format: str, input_config: Mapping[str, Any]) -> Codec:
    """Return the codec of a stream without labels; raise FormatError if there is none."""
    match input_format:
        case "RAW":
            return RawCodec.from_config(input_config, "data")
        case "AVRO":
            return AvroCodec.from_config(input_config, "data_scheme")
        case "JSON":
            return JsonCodec.from_config(input_config, "data_fields")
    raise unknown_format(input_format)


def unknown_format(input_format: str) -> FormatError:
    """Return the error for a format that no codec reads."""
    return FormatError(
        f"the format {input_format[:40]!r} is not known: use {', '.join(INPUT_FORMATS)}"
    )
