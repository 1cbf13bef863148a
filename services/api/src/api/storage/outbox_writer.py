"""The writing side of the outbox: what is to be told goes in with the change itself.

Lock the row of what an event is about before adding the event: only then is the order of
the outbox the order of the changes.
"""

import base64
from uuid import uuid4

from sqlalchemy.ext.asyncio import AsyncSession

from api.tables.outbox_record import OutboxRecord
from kafkaml.config import KafkaSettings
from kafkaml.control import ControlMessage
from kafkaml.events import CloudEvent, DomainEvent

Headers = list[tuple[str, bytes | None]]


class OutboxWriter:
    """Adds records that the relay will publish once the transaction is committed."""

    def __init__(self, *, session: AsyncSession, kafka: KafkaSettings) -> None:
        self._session = session
        self._kafka = kafka

    def add_event(self, event: DomainEvent) -> None:
        """Tell that something happened."""
        envelope = CloudEvent.of(event)
        self._session.add(
            OutboxRecord(
                event_id=envelope.id,
                topic=self._kafka.events_topic,
                key=envelope.to_key(),
                value=envelope.to_value(),
                headers=[(name, value.decode()) for name, value in envelope.to_headers()],
            )
        )

    def add_control(self, message: ControlMessage, *, value: bytes) -> None:
        """Announce a stream; `value` is the message with the fields that we do not know."""
        self._session.add(
            OutboxRecord(
                event_id=uuid4(),
                topic=self._kafka.control_topic,
                key=message.to_key(),
                value=value,
                headers=[],
            )
        )

    def add_letter(
        self,
        topic: str,
        *,
        partition: int,
        timestamp_ms: int | None,
        key: bytes | None,
        value: bytes | None,
        headers: Headers,
    ) -> None:
        """Send a record to a user's topic; names of headers must not hold NUL."""
        self._session.add(
            OutboxRecord(
                event_id=uuid4(),
                topic=topic,
                is_letter=True,
                key=key,
                value=value,
                headers=[
                    (name, None if content is None else base64.b64encode(content).decode())
                    for name, content in headers
                ],
                partition=partition,
                timestamp_ms=timestamp_ms,
            )
        )
