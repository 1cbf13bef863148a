"""From a format to its codecs."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kafkaml.config import KafkaSettings
from kafkaml.formats import (
    AudioFormat,
    AvroFormat,
    Format,
    ImageFormat,
    JsonFormat,
    RawFormat,
    TextFormat,
    feature_format,
    stream_format,
)
from kafkaml.records.avro import AvroCodec
from kafkaml.records.avro_framed import FramedAvroCodec
from kafkaml.records.avro_text import AvroTextCodec
from kafkaml.records.base import Codec
from kafkaml.records.json import JsonCodec
from kafkaml.records.media.codec import MediaCodec
from kafkaml.records.raw import RawCodec
from kafkaml.records.text import TextCodec
from kafkaml.schema_registry import SchemaRegistry


@dataclass(frozen=True, slots=True)
class RecordFormat:
    """How the records of a stream are read: the value holds features, the key the label.

    A label may be a field of the value; `labels_in_value` then says so.
    """

    features: Codec
    labels: Codec
    labels_in_value: bool


def record_format(input_format: str, input_config: Mapping[str, Any]) -> RecordFormat:
    """Return the codecs of a training stream; raise FormatError if they cannot be made."""
    stream = stream_format(input_format, input_config)
    return RecordFormat(
        codec_for(stream.features),
        codec_for(stream.labels),
        labels_in_value=stream.labels_in_value,
    )


def feature_codec(input_format: str, input_config: Mapping[str, Any]) -> Codec:
    """Return the codec of a stream without labels; raise FormatError if there is none."""
    return codec_for(feature_format(input_format, input_config))


def codec_for(described: Format) -> Codec:
    """Return what reads and writes records of a format.

    For Confluent's wire format the registry is the one that the environment names.
    """
    match described:
        case RawFormat():
            return RawCodec(described)
        case TextFormat():
            return TextCodec(described)
        case AvroFormat():
            return _avro_codec(described)
        case JsonFormat():
            return JsonCodec(described)
        case ImageFormat() | AudioFormat():
            return MediaCodec(described)


def _avro_codec(described: AvroFormat) -> Codec:
    if described.is_framed:
        return FramedAvroCodec(described, registry=SchemaRegistry(KafkaSettings()))
    return AvroTextCodec(described) if described.is_text else AvroCodec(described)
