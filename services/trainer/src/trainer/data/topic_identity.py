"""Whether topics are still those that they were when their reading began."""

from collections.abc import Collection
from time import sleep
from typing import Any

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient

from kafkaml.schemas.states import FailureReason
from trainer.data.consumers import LOGGER, topic_id_of
from trainer.data.stream import PAUSE_SECONDS
from trainer.deadline import Deadline
from trainer.exceptions import DeadlineError, StreamError

_AWAY = {
    KafkaError._TIMED_OUT,  # noqa: SLF001  # the public name of librdkafka's own codes
    KafkaError._TRANSPORT,  # noqa: SLF001  # likewise
    KafkaError._ALL_BROKERS_DOWN,  # noqa: SLF001  # likewise
}


class TopicIdentities:
    """Knows topics by the ids that Kafka gives them, for a name can be given anew.

    A topic that is not there has no id yet: whoever reads it tells what is wrong with it.
    """

    def __init__(
        self, *, kafka: dict[str, Any], topics: Collection[str], deadline: Deadline
    ) -> None:
        self._admin = AdminClient(kafka, logger=LOGGER)
        self._deadline = deadline
        self._ids = {topic: self._id(topic) for topic in topics}

    def check(self) -> None:
        """Raise StreamError if one was deleted, or deleted and made again."""
        for topic, before in self._ids.items():
            if before is not None and self._id(topic) != before:
                raise StreamError(
                    FailureReason.DATA_GONE,
                    f"the topic {topic} was deleted, or deleted and made again, while it "
                    "was read: send the records again and announce where they are",
                )

    def _id(self, topic: str) -> str | None:
        """Return a topic's id, None if there is no such topic; wait for a broker."""
        while True:
            try:
                return topic_id_of(self._admin, topic)
            except KafkaException as e:
                error = e.args[0]
                if not error.retriable() and error.code() not in _AWAY:
                    return None
            if self._deadline.passed:
                raise DeadlineError(
                    f"the deadline passed before {topic} was found: is Kafka reachable?"
                )
            sleep(PAUSE_SECONDS)
