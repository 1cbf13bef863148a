"""What a record format is: its configuration, checked, in small descriptions.

Nothing here reads a record or needs NumPy; `kafkaml.records` makes codecs of the same.
"""

from kafkaml.formats.audio import AudioFormat
from kafkaml.formats.avro import AvroFormat
from kafkaml.formats.image import ImageFormat
from kafkaml.formats.json import JsonFormat
from kafkaml.formats.raw import RawFormat, TextFormat
from kafkaml.formats.streams import Format, StreamFormat, feature_format, stream_format

__all__ = [
    "AudioFormat",
    "AvroFormat",
    "Format",
    "ImageFormat",
    "JsonFormat",
    "RawFormat",
    "StreamFormat",
    "TextFormat",
    "feature_format",
    "stream_format",
]
