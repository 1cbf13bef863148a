"""A replica tells where it is asked, as long as that is wanted."""

import threading

import pytest

from inferencer.addresses import address_of, announced, make_key
from inferencer.report import Reporter
from inferencer.testing import MemoryAttempts
from kafkaml.exceptions import ProblemError
from kafkaml.schemas.predictions import AddressReport
from kafkaml.schemas.problems import Problem
from tests.inferencer.orders import inference_order, order_of
from tests.inferencer.topics import eventually


@pytest.fixture
def attempts() -> MemoryAttempts:
    return MemoryAttempts(order=order_of(inference_order()))


def reporter_of(attempts: MemoryAttempts) -> Reporter:
    return Reporter(attempts=attempts, replica=0, stop=threading.Event())


def test_it_is_told_at_once_with_a_key_of_its_own(attempts: MemoryAttempts) -> None:
    key = make_key()
    reporter = reporter_of(attempts)
    with announced(host="::1", port=80, key=key, reporter=reporter):
        eventually(lambda: bool(attempts.address_reports))

    assert attempts.address_reports == [AddressReport(address="[::1]:80", key=key)]
    assert make_key() != key


@pytest.mark.parametrize(("host", "port"), [(None, 80), ("pod", None)])
def test_nothing_is_told_where_nobody_can_ask(
    attempts: MemoryAttempts, host: str | None, port: int | None
) -> None:
    reporter = reporter_of(attempts)
    with announced(host=host, port=port, key=make_key(), reporter=reporter):
        pass
    assert attempts.address_reports == []


class Over(MemoryAttempts):
    """An API for which the attempt is over."""

    def address(self, report: AddressReport) -> None:
        super().address(report)
        raise ProblemError(
            Problem(
                type="urn:kafka-ml:problem:attempt-over",
                title="over",
                status=409,
                detail="over",
                instance="/",
            )
        )


def test_an_attempt_that_is_over_tells_no_more() -> None:
    attempts = Over(order=order_of(inference_order()))
    report = AddressReport(address=address_of("10.0.0.7", 80), key=make_key())

    assert not reporter_of(attempts).is_at(report)
    assert len(attempts.address_reports) == 1
