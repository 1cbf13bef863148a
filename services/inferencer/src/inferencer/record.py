"""A record as Kafka's client hands it over, and what is to be sent because of it."""

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

Headers = list[tuple[str, bytes | None]]

ANY_PARTITION = -1
UNREADABLE_HEADER = "kafkaml-inbound-headers"


class Record(Protocol):
    """The part of `confluent_kafka.Message` that is used."""

    def error(self) -> Any:
        """Return None, or what the client reports instead of a record."""

    def topic(self) -> str: ...
    def partition(self) -> int: ...
    def offset(self) -> int: ...
    def key(self) -> bytes | None: ...
    def value(self) -> bytes | None: ...
    def headers(self) -> Headers | None: ...
    def timestamp(self) -> tuple[int, int]:
        """Return the kind of the timestamp (0: none) and milliseconds since 1970."""


class Reply(NamedTuple):
    """An answer or a dead letter on its way, and the record that it is about."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: Headers
    about: Record
    timestamp_ms: int = 0
    """0 lets Kafka set the time of sending."""


def headers_of(record: Record) -> Headers:
    """Return a record's headers, or a note in their place if the client cannot read them.

    It raises SystemError for names that are not UTF-8; the record itself may be fine.
    """
    try:
        return record.headers() or []
    except SystemError:
        return [(UNREADABLE_HEADER, b"left out: a name is not UTF-8")]


def sources(records: Sequence[Record]) -> list[bytes]:
    """Return the coordinates of many records of one topic, as values of headers."""
    topic = records[0].topic() if records else ""
    return [f"{topic}/{each.partition()}/{each.offset()}".encode() for each in records]


def coordinates(record: Record) -> str:
    """Return `topic/partition/offset`, which no two records share."""
    return f"{record.topic()}/{record.partition()}/{record.offset()}"
