"""From a format's name and configuration to what it is."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from kafkaml.exceptions import FormatError
from kafkaml.formats.audio import AudioFormat
from kafkaml.formats.avro import AvroFormat
from kafkaml.formats.image import ImageFormat
from kafkaml.formats.json import JsonFormat
from kafkaml.formats.raw import RawFormat, TextFormat, raw_format

NAMES = ("RAW", "AVRO", "JSON", "IMAGE", "AUDIO")

Format: TypeAlias = (
    RawFormat | TextFormat | AvroFormat | JsonFormat | ImageFormat | AudioFormat
)


@dataclass(frozen=True, slots=True)
class StreamFormat:
    """What the records of a training stream are: the value holds features, the key a label.

    In JSON, and in AVRO without a `label_scheme`, labels are fields of the value;
    `labels_in_value` then says so.
    """

    features: Format
    labels: Format
    labels_in_value: bool


def stream_format(input_format: str, input_config: Mapping[str, Any]) -> StreamFormat:
    """Return the format of a training stream; raise FormatError if it is none."""
    labels = _label_format(input_format, input_config)
    return StreamFormat(
        feature_format(input_format, input_config),
        labels,
        labels_in_value=labels.part == "value",
    )


def feature_format(input_format: str, input_config: Mapping[str, Any]) -> Format:
    """Return the format of a stream without labels; raise FormatError if it is none."""
    match input_format:
        case "RAW":
            return raw_format(input_config, "data")
        case "AVRO":
            return AvroFormat.from_config(input_config, "data_scheme")
        case "JSON":
            return JsonFormat.from_config(input_config, "data_fields")
        case "IMAGE":
            return ImageFormat.from_config(input_config)
        case "AUDIO":
            return AudioFormat.from_config(input_config)
    raise _unknown(input_format)


def _label_format(input_format: str, input_config: Mapping[str, Any]) -> Format:
    match input_format:
        case "RAW" | "IMAGE" | "AUDIO":
            return raw_format(input_config, "label")
        case "AVRO" if _has_labels_in_value(input_config):
            return AvroFormat.from_config(
                input_config, "data_scheme", fields="label_fields"
            )
        case "AVRO":
            return AvroFormat.from_config(input_config, "label_scheme")
        case "JSON":
            return JsonFormat.from_config(input_config, "label_fields")
    raise _unknown(input_format)


def _has_labels_in_value(config: Mapping[str, Any]) -> bool:
    """Whether label and data are fields of one AVRO record."""
    if config.get("label_scheme") is not None or config.get("label_fields") is None:
        return False
    if config.get("data_fields") is None:
        raise FormatError("data_fields: name the fields of the record that are no labels")
    return True


def _unknown(input_format: str) -> FormatError:
    return FormatError(
        f"the format {input_format[:40]!r} is not known: use {', '.join(NAMES)}"
    )
