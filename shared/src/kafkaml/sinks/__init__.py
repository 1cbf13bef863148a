"""Sinks: send a training stream to Kafka and announce it to a deployment."""

from kafkaml.sinks.announcing import announce
from kafkaml.sinks.avro import AvroSink
from kafkaml.sinks.base import Sink
from kafkaml.sinks.json import JsonSink
from kafkaml.sinks.media import AudioSink, ImageSink
from kafkaml.sinks.raw import RawSink

__all__ = [
    "AudioSink",
    "AvroSink",
    "ImageSink",
    "JsonSink",
    "RawSink",
    "Sink",
    "announce",
]
