"""Transactions whose producer does not come back from a call."""

import threading

import pytest

from inferencer.exceptions import KafkaClientLostError
from inferencer.transactions import Transactions


class StuckProducer:
    """Begins transactions, and never gets the offsets into one."""

    def __init__(self, ended: threading.Event) -> None:
        self._ended = ended

    def init_transactions(self, _seconds: float) -> None:
        """There is nothing to fence."""

    def begin_transaction(self) -> None:
        """There is nothing to begin."""

    def send_offsets_to_transaction(self, *_: object) -> None:
        self._ended.wait(60)


def test_a_producer_that_does_not_come_back_is_not_waited_for() -> None:
    ended = threading.Event()
    transactions = Transactions(
        make_producer=lambda: StuckProducer(ended),
        patience_seconds=0.1,
        grace_seconds=0.1,
    )

    with pytest.raises(KafkaClientLostError, match="does not come back"):
        transactions.commit([], None)

    transactions.fail()  # does not touch the lost producer
    ended.set()
