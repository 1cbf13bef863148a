"""Which replies Kafka refuses for what they are."""

from collections.abc import Sequence
from typing import Any

from confluent_kafka import KafkaError

from inferencer.dead_letters import DeadLetterWriter
from inferencer.record import Reply, coordinates

# What is wrong with the record itself. Kafka refuses a whole request for one such record.
REFUSALS = frozenset(
    {
        KafkaError.MSG_SIZE_TOO_LARGE,
        KafkaError.INVALID_RECORD,
        KafkaError.INVALID_TIMESTAMP,
    }
)
PERHAPS_REFUSALS = REFUSALS | {KafkaError._INVALID_DIFFERENT_RECORD}  # noqa: SLF001 (public)


class Refusals:
    """Remembers, until a commit, what was refused in a transaction that failed for it.

    Kafka does not say which record of a request was refused. So the next time each is sent
    alone, until the first that is refused. What is as large in the same topic need not be
    tried then.
    """

    def __init__(self) -> None:
        self.is_searching = False
        self._refused: dict[tuple[str, str], Any] = {}
        self._too_large: dict[str, tuple[int, Any]] = {}

    def search_after(self, error: Any) -> None:
        """Search for what was refused if `error`, of a transaction, says so."""
        self.is_searching = error.code() in PERHAPS_REFUSALS and not (
            self.is_searching and (self._refused or self._too_large)
        )

    def note(self, reply: Reply, error: Any) -> None:
        """Note why a reply that was sent alone was not kept."""
        if error.code() not in REFUSALS:
            return
        self._refused[reply.topic, coordinates(reply.about)] = error
        if error.code() == KafkaError.MSG_SIZE_TOO_LARGE:
            smallest, _ = self._too_large.get(reply.topic, (_size(reply), error))
            self._too_large[reply.topic] = min(smallest, _size(reply)), error

    def forget(self) -> None:
        """Begin anew: what was refused is committed in another form."""
        self.is_searching = False
        self._refused.clear()
        self._too_large.clear()

    def replace(
        self, replies: Sequence[Reply], dead_letters: DeadLetterWriter
    ) -> Sequence[Reply]:
        """Return `replies` with refused answers as dead letters, and those shortened."""
        if not self._refused:
            return replies
        return [self._replaced(reply, dead_letters) for reply in replies]

    def _replaced(self, reply: Reply, dead_letters: DeadLetterWriter) -> Reply:
        error = self._error(reply)
        if error is not None and reply.topic != dead_letters.topic:
            reply = dead_letters.write(
                reply.about,
                stage="deliver",
                error=error.name(),
                reason=f"Kafka refuses the answer ({len(reply.value or b'')} bytes): "
                f"{error.str()}",
            )
            error = self._error(reply)
        if error is not None:
            reply = dead_letters.shorten(reply, reason=error.str())
        return reply

    def _error(self, reply: Reply) -> Any:
        refused = self._refused.get((reply.topic, coordinates(reply.about)))
        if refused is not None:
            return refused
        smallest, error = self._too_large.get(reply.topic, (0, None))
        return error if _size(reply) >= smallest else None


def _size(reply: Reply) -> int:
    headers = sum(len(name) + len(value or b"") for name, value in reply.headers)
    return len(reply.key or b"") + len(reply.value or b"") + headers
