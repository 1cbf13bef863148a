"""Ask an inference for predictions over its topics, and wait for the answers."""

import secrets
import time
from collections.abc import Mapping
from datetime import timedelta
from itertools import cycle
from types import TracebackType
from typing import Any, Self

import numpy as np
import orjson
from confluent_kafka import (
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    Producer,
    TopicPartition,
)

from kafkaml.config import KafkaSettings
from kafkaml.exceptions import (
    DeliveryError,
    FormatError,
    PredictionError,
    TopicError,
    WaitTimeoutError,
)
from kafkaml.kafka import librdkafka_config
from kafkaml.records import Codec, feature_codec
from kafkaml.records.base import Array
from kafkaml.topics import is_passing, wait_for_topic

REQUEST_HEADER = "kafkaml-request"
DEFAULT_TIMEOUT = timedelta(seconds=60)

_MESSAGES_PER_READ = 1000
_READ_SECONDS = 0.1
_RECORDS_PER_READ = 10_000


class StreamPredictor:
    """Sends records to an input topic and returns their answers from the output topic.

    An answer is matched by the header `kafkaml-request`, which inferences copy from the
    request, so others can use the same topics at the same time. Use it as a context manager
    and from one thread. Records are encoded by `codec`, or as `input_format` and
    `input_config` say. A `timeout` that is a bare number counts seconds.
    """

    def __init__(
        self,
        *,
        input_topic: str,
        output_topic: str,
        codec: Codec | None = None,
        input_format: str | None = None,
        input_config: Mapping[str, Any] | None = None,
        bootstrap_servers: str | None = None,
        timeout: timedelta | float = DEFAULT_TIMEOUT,
    ) -> None:
        if codec is None and input_format is None:
            raise FormatError("give a codec, or input_format and input_config")
        self._codec = codec or feature_codec(input_format or "", input_config or {})
        self._settings = KafkaSettings()
        if bootstrap_servers:
            given = {"bootstrap_servers": bootstrap_servers}
            self._settings = self._settings.model_copy(update=given)
        self._input_topic = input_topic
        self._output_topic = output_topic
        self._timeout = (
            timeout if isinstance(timeout, timedelta) else timedelta(seconds=timeout)
        )
        self._exchange: _Exchange | None = None

    def __enter__(self) -> Self:
        """Wait for the topics; raise TopicError if they are not there in time."""
        self._exchange = _Exchange(
            input_topic=self._input_topic,
            output_topic=self._output_topic,
            settings=self._settings,
            timeout=self._timeout,
        )
        return self

    def __exit__(
        self,
        _type: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Drop what was not sent yet, and disconnect. A second call does nothing."""
        if self._exchange is not None:
            self._exchange.close()
            self._exchange = None

    def predict(self, array: Array) -> Array:
        """Return the predictions for the rows of `array`, in their order, as float64.

        `array` has shape `(records, *shape of one)`, the result `(records, *shape of one
        prediction)`; numbers that were not finite are NaN. Raises FormatError for rows that
        the format cannot carry, PredictionError for a record that the inference refused,
        DeliveryError if Kafka did, and WaitTimeoutError if answers are missing in the end.
        """
        if self._exchange is None:
            raise PredictionError("the predictor is not open: use it by `with`")
        values = self._codec.encode(np.asarray(array))
        request = _Request(len(values))
        deadline = time.monotonic() + self._timeout.total_seconds()
        for index, value in enumerate(values):
            while not self._exchange.send(value, request.header(index)):
                self._check_time(request, deadline)
                self._exchange.receive(request, _READ_SECONDS)
            if not index % _RECORDS_PER_READ:
                self._exchange.receive(request, 0)
        while request.missing:
            self._check_time(request, deadline)
            self._exchange.receive(request, _READ_SECONDS)
        return request.result()

    def _check_time(self, request: "_Request", deadline: float) -> None:
        if time.monotonic() > deadline:
            raise WaitTimeoutError(
                f"{request.missing} of {request.count} answers were not in "
                f"{self._output_topic} after {self._timeout.total_seconds():g} seconds: "
                "check that the inference is serving"
            )


class _Exchange:
    """An open connection: what is sent goes to all partitions in turn.

    It reads the answers and dead letters that are written after it was made.
    """

    def __init__(
        self,
        *,
        input_topic: str,
        output_topic: str,
        settings: KafkaSettings,
        timeout: timedelta,
    ) -> None:
        self._input_topic = input_topic
        self._dead_letter_topic = f"{output_topic}.dlq"
        self._failure: KafkaError | None = None
        places = {
            topic: wait_for_topic(settings, topic, timeout=timeout)
            for topic in (input_topic, output_topic, self._dead_letter_topic)
        }
        self._partitions = cycle(range(places.pop(input_topic)))
        self._consumer = Consumer(
            {
                **librdkafka_config(settings),
                "group.id": "kafkaml-predictor",  # required, but never joined
                "enable.auto.commit": False,
                "auto.offset.reset": "latest",
            }
        )
        self._consumer.assign(
            [
                self._end(topic, partition, timeout)
                for topic, count in places.items()
                for partition in range(count)
            ]
        )
        self._producer = Producer(
            {
                **librdkafka_config(settings),
                "enable.idempotence": True,
                "delivery.timeout.ms": max(1000, int(timeout.total_seconds() * 1000)),
            }
        )

    def send(self, value: bytes, request: bytes) -> bool:
        """Send a record, or return False if there is no room for it now."""
        try:
            self._producer.produce(
                self._input_topic,
                value,
                partition=next(self._partitions),
                headers={REQUEST_HEADER: request},
                on_delivery=self._delivered,
            )
        except BufferError:
            return False
        except KafkaException as e:
            raise DeliveryError(f"Kafka refused a record: {e.args[0].str()}") from e
        return True

    def receive(self, request: "_Request", seconds: float) -> None:
        """Take the answers that are there, or wait up to `seconds` for one."""
        self._producer.poll(0)
        if self._failure is not None:
            failure, self._failure = self._failure, None
            raise DeliveryError(f"Kafka did not take a record: {failure.str()}")
        for message in self._messages(seconds):
            error = message.error()
            if error is None:
                request.take(message, dead=message.topic() == self._dead_letter_topic)
            elif not is_passing(error):
                raise PredictionError(f"the answers cannot be read: {error.str()}")

    def _messages(self, seconds: float) -> list[Message]:
        """Return a first message and what is already here.

        `consume` with a time limit would wait that long for its batch to be full.
        """
        first = self._consumer.poll(seconds)
        if first is None:
            return []
        return [first, *self._consumer.consume(_MESSAGES_PER_READ, 0)]

    def close(self) -> None:
        self._consumer.close()
        self._producer.purge()
        self._producer.close()

    def _delivered(self, error: KafkaError | None, _message: Message) -> None:
        self._failure = self._failure or error

    def _end(self, topic: str, partition: int, timeout: timedelta) -> TopicPartition:
        place = TopicPartition(topic, partition)
        deadline = time.monotonic() + timeout.total_seconds()
        while (left := deadline - time.monotonic()) > 0:
            try:
                limits = self._consumer.get_watermark_offsets(place, left)
            except KafkaException as e:
                # A broker can name the leader of a new partition before it is one.
                if not is_passing(e.args[0]):
                    raise TopicError(f"{topic} cannot be read: {e.args[0].str()}") from e
                time.sleep(_READ_SECONDS)
                continue
            if limits is not None:
                place.offset = limits[1]
                return place
        raise TopicError(f"the end of {topic} could not be read in time")


class _Request:
    """The records of one call, and the answers that came so far."""

    def __init__(self, count: int) -> None:
        self.count = count
        self._id = secrets.token_hex(8)
        self._answers: dict[int, Array] = {}

    @property
    def missing(self) -> int:
        return self.count - len(self._answers)

    def header(self, index: int) -> bytes:
        return f"{self._id}/{index}".encode()

    def take(self, message: Message, *, dead: bool) -> None:
        """Take an answer if it is one of ours; raise PredictionError for a dead letter."""
        headers = dict(message.headers() or ())
        request, _, index = (
            headers.get(REQUEST_HEADER, b"").decode("latin-1").partition("/")
        )
        if request != self._id:
            return
        if dead:
            reason = headers.get("__kafkaml.errors.message", b"no reason is given")
            raise PredictionError(f"record {index}: {reason.decode(errors='replace')}")
        self._answers.setdefault(int(index), _numbers(message.value(), index))

    def result(self) -> Array:
        if not self.count:
            return np.empty(0)
        rows = [self._answers[index] for index in range(self.count)]
        if len({row.shape for row in rows}) > 1:
            raise PredictionError("the answers differ in shape")
        return np.stack(rows)


def _numbers(value: bytes | None, index: str) -> Array:
    try:
        return np.array(orjson.loads(value or b"")["values"], dtype=np.float64)
    except (ValueError, TypeError, KeyError) as e:
        raise PredictionError(f"record {index}: the answer is not a list of values") from e
