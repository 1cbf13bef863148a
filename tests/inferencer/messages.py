"""Records as Kafka's client would hand them over."""

from confluent_kafka import TIMESTAMP_CREATE_TIME, Message

from inferencer.record import Headers, Record

NOW_MS = 1_760_000_000_000


def record(
    value: bytes | None,
    *,
    key: bytes | None = None,
    offset: int = 0,
    headers: Headers | None = None,
) -> Record:
    message: Record = Message(
        topic="in",
        partition=1,
        offset=offset,
        key=key,
        value=value,
        headers=headers,
        timestamp=(TIMESTAMP_CREATE_TIME, NOW_MS),
    )
    return message
