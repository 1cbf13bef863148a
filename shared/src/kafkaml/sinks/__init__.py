"""Sinks: send a training stream to Kafka and announce it to a deployment."""

from kafkaml.sinks.announcing import announce
from kafkaml.sinks.avro import AvroSink
from kafkaml.sinks.base import Sink
from kafkaml.sinks.json import JsonSink
from kafkaml.sinks.raw import RawSink

__all__ = ["AvroSink", "JsonSink", "RawSink", "Sink", "announce"]
