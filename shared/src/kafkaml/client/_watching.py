"""What a watcher of events gets."""

from dataclasses import dataclass

from kafkaml.client._server_sent import ServerSentMessage
from kafkaml.events import CloudEvent
from kafkaml.exceptions import ClientError

SILENCE_SECONDS = 60.0
"""The API sends something every 15 seconds; a longer silence is a dead connection."""


@dataclass(frozen=True, slots=True)
class WatchedEvent:
    """An event, and the cursor to go on after it (`last_event_id` of `watch`)."""

    cursor: str
    event: CloudEvent

    @classmethod
    def from_message(cls, message: ServerSentMessage) -> "WatchedEvent":
        """Read a message; raise ClientError if it holds no event."""
        try:
            return cls(message.id, CloudEvent.from_structured(message.data or ""))
        except ValueError as e:
            raise ClientError(f"the event stream holds something else: {e}") from e
