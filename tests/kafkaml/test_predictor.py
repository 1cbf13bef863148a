"""Predictions over topics, from a small inference that doubles numbers."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from threading import Event, Thread

import numpy as np
import orjson
import pytest
from confluent_kafka import Consumer, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from kafkaml.exceptions import FormatError, PredictionError, TopicError, WaitTimeoutError
from kafkaml.formats import RawFormat
from kafkaml.predictor import StreamPredictor
from kafkaml.records.raw import RawCodec
from tests.kafkaml.client import answering

PARTITIONS = 2
FORMAT = {"data_type": "float32", "data_reshape": "2"}


@dataclass(frozen=True)
class Topics:
    bootstrap: str
    requests: str
    answers: str

    @property
    def dead_letters(self) -> str:
        return f"{self.answers}.dlq"

    def predictor(self, seconds: float = 20) -> StreamPredictor:
        return StreamPredictor(
            input_topic=self.requests,
            output_topic=self.answers,
            input_format="RAW",
            input_config=FORMAT,
            bootstrap_servers=self.bootstrap,
            timeout=seconds,
        )


@pytest.fixture
def topics(kafka_bootstrap: str, topic_name: Callable[[str], str]) -> Topics:
    topics = Topics(kafka_bootstrap, topic_name("in"), topic_name("out"))
    admin = AdminClient({"bootstrap.servers": kafka_bootstrap})
    names = (topics.requests, topics.answers, topics.dead_letters)
    made = admin.create_topics([NewTopic(name, PARTITIONS) for name in names])
    for each in made.values():
        each.result(30)
    return topics


class Doubler:
    """Answers each row with its double, twice; a row that starts below 0 is refused."""

    def __init__(self, topics: Topics) -> None:
        self._topics = topics
        self._producer = Producer({"bootstrap.servers": topics.bootstrap})
        self.seen: dict[int, int] = dict.fromkeys(range(PARTITIONS), 0)

    def run(self, stopped: Event, delay_seconds: float) -> None:
        consumer = Consumer(
            {"bootstrap.servers": self._topics.bootstrap, "group.id": "doubler"}
        )
        consumer.assign(
            [TopicPartition(self._topics.requests, each, 0) for each in range(PARTITIONS)]
        )
        while not stopped.is_set():
            for message in consumer.consume(1000, 0.05):
                self.seen[message.partition()] += 1
                time.sleep(delay_seconds)
                self.answer(message)
            self._producer.poll(0)
        consumer.close()
        self._producer.flush(10)

    def answer(self, message: Message) -> None:
        row = np.frombuffer(message.value(), np.float32)
        headers = message.headers()
        if row[0] < 0:
            self._producer.produce(
                self._topics.dead_letters,
                message.value(),
                headers=[*headers, ("__kafkaml.errors.message", b"no negative numbers")],
            )
            return
        doubled = [None if np.isinf(each) else each for each in (2 * row).tolist()]
        answer = orjson.dumps({"values": doubled})
        for _ in range(2):  # at least once is at times twice
            self._producer.produce(self._topics.answers, answer, headers=headers)


@contextmanager
def doubling(topics: Topics, delay_seconds: float = 0) -> Iterator[Doubler]:
    stopped = Event()
    doubler = Doubler(topics)
    thread = Thread(target=doubler.run, args=(stopped, delay_seconds))
    thread.start()
    try:
        yield doubler
    finally:
        stopped.set()
        thread.join()


def test_answers_come_in_the_order_of_the_rows(topics: Topics) -> None:
    rows = np.arange(6000, dtype=np.float32).reshape(3000, 2)
    with doubling(topics) as doubler, topics.predictor() as predictor:
        np.testing.assert_array_equal(predictor.predict(rows), 2 * rows)
        np.testing.assert_array_equal(predictor.predict(rows[:1]), 2 * rows[:1])
        assert predictor.predict(rows[:0]).shape == (0,)
    assert min(doubler.seen.values()) >= 1500, "the requests go to all partitions"


def test_two_predictors_do_not_take_each_others_answers(topics: Topics) -> None:
    results = {}

    def predict(number: int) -> None:
        with topics.predictor() as predictor:
            rows = np.full((200, 2), number, np.float32)
            results[number] = predictor.predict(rows)

    with doubling(topics):
        threads = [Thread(target=predict, args=(number,)) for number in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    for number in range(3):
        np.testing.assert_array_equal(results[number], np.full((200, 2), 2 * number))


def test_numbers_that_are_not_finite_are_nan(topics: Topics) -> None:
    with doubling(topics), topics.predictor() as predictor:
        answer = predictor.predict(np.array([[np.inf, 1]], np.float32))
    np.testing.assert_array_equal(answer, [[np.nan, 2]])


def test_a_dead_letter_names_the_record_and_the_reason(topics: Topics) -> None:
    rows = np.array([[1, 1], [2, 2], [-3, 3]], np.float32)
    with doubling(topics), topics.predictor() as predictor:
        with pytest.raises(PredictionError, match="record 2: no negative numbers"):
            predictor.predict(rows)
        np.testing.assert_array_equal(predictor.predict(rows[:2]), 2 * rows[:2])


def test_missing_answers_are_counted(topics: Topics) -> None:
    missing = pytest.raises(WaitTimeoutError, match=r"3 of 3 answers .* after 2 seconds")
    with topics.predictor(seconds=2) as predictor, missing:
        predictor.predict(np.ones((3, 2), np.float32))


def test_answers_to_earlier_requests_are_not_taken(topics: Topics) -> None:
    rows = np.ones((3, 2), np.float32)
    with topics.predictor(seconds=1) as predictor, pytest.raises(WaitTimeoutError):
        predictor.predict(rows)
    with doubling(topics), topics.predictor() as predictor:
        np.testing.assert_array_equal(predictor.predict(5 * rows), 10 * rows)


def test_rows_that_the_format_cannot_carry_are_not_sent(topics: Topics) -> None:
    with topics.predictor() as predictor, pytest.raises(FormatError):
        predictor.predict(np.ones((3, 5), np.float32))


@pytest.mark.timeout(30)
def test_topics_that_are_not_there_are_named(
    kafka_bootstrap: str, topic_name: Callable[[str], str]
) -> None:
    absent = topic_name("absent")
    predictor = StreamPredictor(
        input_topic=absent,
        output_topic=absent,
        codec=RawCodec(RawFormat("<f4", (2,))),
        bootstrap_servers=kafka_bootstrap,
        timeout=timedelta(seconds=1),
    )
    with pytest.raises(TopicError, match=absent), predictor:
        pass


def test_a_format_must_be_given_and_the_predictor_opened() -> None:
    with pytest.raises(FormatError, match="give a codec"):
        StreamPredictor(input_topic="in", output_topic="out")
    predictor = StreamPredictor(
        input_topic="in", output_topic="out", input_format="RAW", input_config=FORMAT
    )
    with pytest.raises(PredictionError, match="not open"):
        predictor.predict(np.ones((1, 2), np.float32))
    predictor.close()


def test_an_answer_is_taken_as_soon_as_it_is_here(
    kafka_bootstrap: str, topic_name: Callable[[str], str]
) -> None:
    topics = answering.Topics(topic_name("in"), topic_name("out"))
    topics.create(kafka_bootstrap)
    predictor = StreamPredictor(
        input_topic=topics.input,
        output_topic=topics.output,
        codec=RawCodec(RawFormat("|u1", (2,))),
        bootstrap_servers=kafka_bootstrap,
    )
    row = np.ones((1, 2), np.uint8)
    with answering.answering_sums(topics, kafka_bootstrap), predictor:
        times = []
        for _ in range(20):
            started = time.monotonic()
            assert predictor.predict(row).tolist() == [[2]]
            times.append(time.monotonic() - started)
    assert min(times) < 0.09, times
