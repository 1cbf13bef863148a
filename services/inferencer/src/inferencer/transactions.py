"""A transactional producer, and what becomes of it when a transaction fails."""

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import structlog
from confluent_kafka import KafkaException, Producer, TopicPartition

from inferencer.calls import Call
from inferencer.exceptions import DeliveryError, KafkaClientLostError

log = structlog.get_logger()

ABORT_SECONDS = 5.0
GRACE_SECONDS = 10.0


class Transactions:
    """One transaction after the other, with a new producer after each that failed.

    A producer is not trusted with another transaction after an error: what the broker still
    knows of the failed one could otherwise get into the next.
    """

    def __init__(
        self,
        *,
        make_producer: Callable[[], Producer],
        patience_seconds: float,
        grace_seconds: float = GRACE_SECONDS,
    ) -> None:
        self._make_producer = make_producer
        self._patience_seconds = patience_seconds
        self._grace_seconds = grace_seconds
        self._producer: Producer | None = None
        self._is_open = False

    def begin(self) -> Producer:
        """Return the producer of the open transaction; raise DeliveryError without one."""
        try:
            producer = self._ready()
            if not self._is_open:
                producer.begin_transaction()
                self._is_open = True
        except KafkaException as e:
            self.fail()
            raise DeliveryError(f"no transaction can be begun: {e.args[0].str()}") from e
        return producer

    def prepare(self) -> None:
        """Make the producer before it is needed, if that goes well."""
        try:
            self._ready()
        except KafkaException as e:
            log.warning("no transaction can be begun yet", error=e.args[0].str())
            self.fail()

    def settle(self) -> None:
        """Return once a failed transaction is either committed or aborted for good.

        Raise DeliveryError if that cannot be had now.
        """
        try:
            self._ready()
        except KafkaException as e:
            self.fail()
            raise DeliveryError(
                f"what became of a transaction is not known yet: {e.args[0].str()}"
            ) from e

    def _ready(self) -> Producer:
        if self._producer is None:
            self._producer = self._make_producer()
            self._try(self._producer.init_transactions)
        return self._producer

    def commit(self, places: Sequence[TopicPartition], group: Any) -> None:
        """Commit what was produced and the consumer's places at once, or neither.

        Raise KafkaException if it is not known to be committed; call `fail` then.
        """
        producer = self.begin()
        self._try(producer.send_offsets_to_transaction, list(places), group)
        self._try(producer.commit_transaction)
        self._is_open = False

    def fail(self) -> None:
        """Abort what is open and give the producer up."""
        producer, self._producer = self._producer, None
        was_open, self._is_open = self._is_open, False
        if producer is None:
            return
        try:
            if was_open:
                self._bounded(producer.abort_transaction, ABORT_SECONDS)
        except KafkaException as e:
            # The next producer of this id has the broker abort it before it begins.
            log.info("transaction not aborted by its producer", error=e.args[0].str())
        producer.purge()

    def _try(self, call: Callable[..., Any], *arguments: Any) -> None:
        """Call as long as the client says that it may help, and patience lasts."""
        deadline = time.monotonic() + self._patience_seconds
        while True:
            left = max(deadline - time.monotonic(), 0.1)
            try:
                self._bounded(call, *arguments, left)
            except KafkaException as e:
                if not e.args[0].retriable() or time.monotonic() > deadline:
                    raise
                time.sleep(0.01)
            else:
                return

    def _bounded(self, call: Callable[..., Any], *arguments: Any) -> None:
        """Call, and raise KafkaClientLostError if it does not come back.

        The last of `arguments` is the time that it has.
        """
        try:
            Call(partial(call, *arguments)).result(arguments[-1] + self._grace_seconds)
        except KafkaClientLostError:
            self._producer, self._is_open = None, False
            raise
