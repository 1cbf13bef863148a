import pytest

from inferencer.brake import Brake, DeadLetterRate
from inferencer.dead_letters import DeadLetterWriter
from inferencer.exceptions import DeliveryError
from kafkaml.schemas.attempts import PauseReport
from kafkaml.schemas.dead_letters import DeadLetterLimit

from .messages import record
from .orders import inference_order

ORDER = inference_order().model_copy(
    update={"dead_letter_limit": DeadLetterLimit(rate=0.5, window_records=10)}
)


class Car:
    """A brake, what it reported, and the letters that are written under it."""

    def __init__(self, **order: object) -> None:
        self.reports: list[PauseReport] = []
        self.letters = DeadLetterWriter(topic="out.dlq")
        self.brake = Brake(
            order=ORDER.model_copy(update=order),
            dead_letters=self.letters,
            report=self.reports.append,
        )

    def answer(self, records: int, *, letters: int = 0) -> None:
        with self.brake.watch(records=records):
            self.write(letters)

    def is_braked(self) -> bool:
        return self.brake.is_on

    def fail(self, records: int, *, letters: int) -> None:
        with self.brake.watch(records=records):
            self.write(letters)
            raise DeliveryError("away")

    def write(self, letters: int) -> None:
        for _ in range(letters):
            self.letters.write(record(b"v"), stage="decode", error="E", reason="short")

    def heed(self, **order: object) -> None:
        self.brake.heed(ORDER.model_copy(update=order))


def test_a_rate_counts_the_last_records_only() -> None:
    rate = DeadLetterRate(window_records=10)
    rate.add(records=9, letters=9)
    assert not rate.reaches(0.1)
    rate.add(records=1, letters=0)
    assert rate.reaches(0.9)
    assert not rate.reaches(0.91)
    for _ in range(9):
        rate.add(records=1, letters=0)
    assert (rate.records, rate.letters) == (10, 0)


def test_too_many_dead_letters_are_reported_once_with_the_reason() -> None:
    car = Car()
    car.answer(8, letters=8)
    assert not car.is_braked()
    car.answer(2)
    assert car.is_braked()
    car.answer(5, letters=5)
    (report,) = car.reports
    assert report.resumptions == 0
    assert "8 of the last 10 records" in report.reason
    assert "decode, E: short" in report.reason


def test_an_answered_stream_is_not_braked() -> None:
    car = Car()
    for _ in range(100):
        car.answer(10, letters=4)
    assert not car.is_braked()


def test_without_a_limit_nothing_is_braked() -> None:
    car = Car(dead_letter_limit=None)
    car.answer(1_000_000, letters=1000)
    car.answer(1000, letters=1000)
    assert not car.is_braked()


def test_a_batch_that_is_done_again_counts_once() -> None:
    car = Car()
    with pytest.raises(DeliveryError):
        car.fail(10, letters=4)
    car.answer(10, letters=4)
    assert not car.is_braked()


def test_letters_that_turn_up_between_batches_count() -> None:
    car = Car()
    car.answer(5)
    car.write(5)
    car.answer(5)
    assert car.is_braked()


def test_a_resumption_begins_with_an_empty_window() -> None:
    car = Car()
    car.answer(10, letters=10)
    car.heed(is_paused=False)  # the report is still on its way
    assert car.is_braked()
    car.heed(is_paused=True)
    car.heed(is_paused=False, resumptions=1)
    assert not car.is_braked()
    car.answer(9, letters=9)
    assert not car.is_braked()
    car.answer(1)
    assert car.is_braked()
    assert [each.resumptions for each in car.reports] == [0, 1]


def test_all_replicas_pause_and_new_ones_too() -> None:
    car = Car()
    car.heed(is_paused=True)
    assert car.is_braked()
    assert Car(is_paused=True).brake.is_on
    assert not car.reports
