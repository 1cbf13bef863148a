"""Calls of Kafka's client that may never come back."""

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

from confluent_kafka import KafkaException

from inferencer.exceptions import KafkaClientLostError

Result = TypeVar("Result")


class Call(Generic[Result]):
    """One call on a thread of its own, which nobody waits for in vain.

    The client has been seen to wait for ever in `send_offsets_to_transaction` after its
    broker was restarted.
    """

    def __init__(self, function: Callable[[], Result]) -> None:
        self._function = function
        self._results: list[Result] = []
        self._failures: list[KafkaException] = []
        self._thread = threading.Thread(target=self._run, name="kafka-call", daemon=True)
        self._thread.start()

    def result(self, seconds: float) -> Result:
        """Return what came of it, or raise its KafkaException.

        Raise KafkaClientLostError if it does not come back in time.
        """
        self._thread.join(seconds)
        if self._thread.is_alive():
            raise KafkaClientLostError("Kafka's client does not come back from a call")
        if self._failures:
            raise self._failures[0]
        return self._results[0]

    def _run(self) -> None:
        try:
            self._results.append(self._function())
        except KafkaException as e:
            self._failures.append(e)
