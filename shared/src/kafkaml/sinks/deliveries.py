"""What became of the records that were sent, from Kafka's delivery reports."""

from collections import Counter

from confluent_kafka import KafkaError, Message

from kafkaml.control import TopicRange
from kafkaml.exceptions import DeliveryError


class Deliveries:
    """Counts the records of a topic that were sent and delivered, and where they lie."""

    def __init__(self, topic: str, *, notes_places: bool = True) -> None:
        self._topic = topic
        self._notes_places = notes_places
        self._runs: dict[int, list[list[int]]] = {}
        self._reasons: Counter[str] = Counter()
        self.sent = 0
        self.delivered = 0

    def report(self, error: KafkaError | None, message: Message) -> None:
        """Take the report about one record; Kafka's client calls this."""
        if error is not None:
            self._reasons[error.str()] += 1
            return
        self.delivered += 1
        if not self._notes_places:
            return
        offset = message.offset()
        runs = self._runs.setdefault(message.partition(), [])
        if runs and runs[-1][1] == offset:
            runs[-1][1] += 1
        else:
            runs.append([offset, offset + 1])

    @property
    def ranges(self) -> tuple[TopicRange, ...]:
        """The exact places of the delivered records.

        Records of other producers between them split a range, so no stranger gets in.
        """
        return tuple(
            sorted(
                TopicRange(self._topic, partition, start, end)
                for partition, runs in self._runs.items()
                for start, end in runs
            )
        )

    def check(self) -> None:
        """Raise DeliveryError if a record is known to have failed."""
        if self._reasons:
            raise DeliveryError(
                f"{self._reasons.total()} of {self.sent} records for the topic "
                f"{self._topic} failed: {self._reason_text()}"
            )

    def check_complete(self) -> None:
        """Raise DeliveryError unless every record was delivered."""
        self.check()
        if self.delivered != self.sent:
            raise DeliveryError(
                f"{self.sent - self.delivered} of {self.sent} records for the topic "
                f"{self._topic} were not acknowledged in time"
            )

    def _reason_text(self) -> str:
        return "; ".join(
            f"{text} ({count})" for text, count in self._reasons.most_common(3)
        )
