"""Kafka-ML from Python: the client, the sinks that send streams, and predictions by topic.

>>> from kafkaml import Client, RawSink

A name is imported when it is first used, so `import kafkaml` costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kafkaml.client import AsyncClient, Client
    from kafkaml.predictor import StreamPredictor
    from kafkaml.sinks import AvroSink, JsonSink, RawSink, announce

__all__ = [
    "AsyncClient",
    "AvroSink",
    "Client",
    "JsonSink",
    "RawSink",
    "StreamPredictor",
    "announce",
]

_MODULES = {
    "AsyncClient": "kafkaml.client",
    "AvroSink": "kafkaml.sinks",
    "Client": "kafkaml.client",
    "JsonSink": "kafkaml.sinks",
    "RawSink": "kafkaml.sinks",
    "StreamPredictor": "kafkaml.predictor",
    "announce": "kafkaml.sinks",
}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("kafkaml")
    if name not in _MODULES:
        raise AttributeError(f"module 'kafkaml' has no attribute {name!r}")
    return getattr(import_module(_MODULES[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
