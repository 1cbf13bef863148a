"""What all sinks do: send a stream, then announce it."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from datetime import timedelta
from types import TracebackType
from typing import Any, ClassVar, Required, Self, TypedDict

from kafkaml.config import KafkaSettings
from kafkaml.control import ControlMessage, TopicRange
from kafkaml.exceptions import ControlMessageError, DeliveryError, FormatError
from kafkaml.sinks.writer import StreamWriter

DEFAULT_TIMEOUT = timedelta(seconds=60)


class SinkOptions(TypedDict, total=False):
    """What every sink can be told.

    `bootstrap_servers` and `control_topic` come from the environment unless given here;
    `partitions` is for a topic that does not exist yet; `timeout` is how long Kafka may
    take for one record; `producer_config` holds further settings of librdkafka.
    """

    topic: Required[str]
    deployment_id: Required[int]
    bootstrap_servers: str | None
    control_topic: str | None
    validation_rate: float
    test_rate: float
    description: str
    partitions: int
    timeout: timedelta
    producer_config: Mapping[str, Any] | None
    incremental: bool


class Sink(ABC):
    """Sends samples to a topic and, when closed, announces them to a deployment.

    With `incremental` it announces the topic as a stream without an end, before the first
    sample: a training that is deployed so learns from the samples as they come.

    Use it as a context manager. If its body raises, or if Kafka did not take every record,
    nothing is announced, and what was sent stays in the topic without being used.
    """

    input_format: ClassVar[str]

    def __init__(
        self,
        *,
        topic: str,
        deployment_id: int,
        bootstrap_servers: str | None = None,
        control_topic: str | None = None,
        validation_rate: float = 0.0,
        test_rate: float = 0.0,
        description: str = "",
        partitions: int = 1,
        timeout: timedelta = DEFAULT_TIMEOUT,
        producer_config: Mapping[str, Any] | None = None,
        incremental: bool = False,
    ) -> None:
        self._announcement = {
            "deployment_id": deployment_id,
            "topic": topic,
            "input_format": self.input_format,
            "validation_rate": validation_rate,
            "test_rate": test_rate,
            "description": description,
            "incremental": incremental,
        }
        self._incremental = incremental
        ControlMessage.from_fields(self._announcement)
        self._failed = False
        self._closed = False
        self._announced: ControlMessage | None = None
        self._writer = StreamWriter(
            topic,
            settings=kafka_settings(bootstrap_servers, control_topic),
            partitions=partitions,
            timeout=timeout,
            producer_config=producer_config or {},
            notes_places=not incremental,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _type: type[BaseException] | None,
        error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        if error is None:
            self.close()
            return
        self.abandon()
        if self.announced is None:
            error.add_note("Nothing was announced: no deployment will use this stream.")

    @property
    def announced(self) -> ControlMessage | None:
        """The control message, once it is sent."""
        return self._announced

    @abstractmethod
    def send(self, data: Any, label: Any = None) -> None:
        """Send one sample."""

    @abstractmethod
    def send_many(self, data: Any, labels: Any = None) -> None:
        """Send many samples."""

    def close(self) -> None:
        """Wait until every record is delivered, then announce a stream that ends here.

        Raises DeliveryError if Kafka did not take every record, or not the announcement.
        A second call does nothing.
        """
        if self._closed:
            return
        try:
            if self._incremental:
                self._writer.finish()
            else:
                self._announced = self._announce()
        finally:
            self.abandon()

    def abandon(self) -> None:
        """Drop what Kafka does not have yet, and disconnect; nothing is announced."""
        if not self._closed:
            self._closed = True
            self._writer.close()

    @abstractmethod
    def _input_config(self) -> dict[str, Any]:
        """Return the configuration from which readers make their codecs."""

    def _write(self, values: Sequence[bytes], keys: Sequence[bytes] | None) -> None:
        if self._closed:
            raise DeliveryError("the sink is closed")
        if keys is not None and len(keys) != len(values):
            raise FormatError(f"there are {len(values)} samples, but {len(keys)} labels")
        try:
            if self._incremental and self._announced is None:
                self._announced = self._announce_topic()
            self._writer.write(values, keys)
        except BaseException:
            self._failed = True
            raise

    def _announce(self) -> ControlMessage:
        if self._failed:
            raise DeliveryError("nothing is announced, as not every record could be sent")
        if not self._writer.sent:
            raise DeliveryError("nothing is announced, as nothing was sent")
        message = self._message(self._writer.finish())
        self._writer.announce(message)
        return message

    def _announce_topic(self) -> ControlMessage:
        """Announce before the first record: only records after that are read."""
        fields = {**self._announcement, "input_config": self._input_config()}
        message = ControlMessage.from_fields(fields)
        self._writer.prepare()
        self._writer.announce(message)
        return message

    def _message(self, ranges: tuple[TopicRange, ...]) -> ControlMessage:
        fields = {
            **self._announcement,
            "topic": ",".join(str(each) for each in ranges),
            "input_config": self._input_config(),
            "total_msg": self._writer.sent,
        }
        try:
            return ControlMessage.from_fields(fields)
        except ControlMessageError as e:
            e.add_note(
                f"The records lie in {len(ranges)} ranges, because other producers write "
                "to the topic. Use a topic for this stream alone."
            )
            raise


def kafka_settings(
    bootstrap_servers: str | None = None, control_topic: str | None = None
) -> KafkaSettings:
    """Return the settings of the environment, with what is given here in their place."""
    given = {"bootstrap_servers": bootstrap_servers, "control_topic": control_topic}
    return KafkaSettings().model_copy(
        update={name: value for name, value in given.items() if value}
    )
