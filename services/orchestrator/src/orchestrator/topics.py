"""Makes the topics of a workload before it starts."""

import asyncio
import logging
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from datetime import timedelta
from typing import Any, Protocol

import structlog
from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import AdminClient, NewPartitions, NewTopic

from kafkaml.config import KafkaSettings
from kafkaml.exceptions import TopicError
from kafkaml.kafka import librdkafka_config
from kafkaml.schemas.workloads import WantedTopic
from orchestrator.exceptions import TopicRefusedError

READY_TIMEOUT = timedelta(seconds=30)
REQUEST_TIMEOUT = timedelta(seconds=10)
REMEMBERED = timedelta(minutes=1)
_PAUSE_SECONDS = 0.1
_DEFAULT_OF_BROKER = -1

logger = structlog.stdlib.get_logger(__name__)


class Topics(Protocol):
    """Where topics are made."""

    async def ensure(self, topics: Sequence[WantedTopic]) -> None:
        """Return once all topics are ready, or raise `TopicError`.

        `TopicRefusedError` says that they will never be.
        """
        ...


class KafkaTopics:
    """Makes topics, and adds partitions to those that have too few.

    Each round looks, then does what is missing, until nothing is: so it does not matter
    whether somebody else makes the same topic, or an answer of the broker is lost. What
    was ready a moment ago is not asked for again. Those of other clusters are somebody
    else's to make.
    """

    def __init__(
        self,
        *,
        settings: KafkaSettings,
        ready_timeout: timedelta = READY_TIMEOUT,
        request_timeout: timedelta = REQUEST_TIMEOUT,
    ) -> None:
        self._settings = settings
        self._request_seconds = request_timeout.total_seconds()
        self._ready_timeout = ready_timeout
        self._client: AdminClient | None = None
        self._ready: dict[WantedTopic, float] = {}

    async def ensure(self, topics: Sequence[WantedTopic]) -> None:
        """Return once all topics have their partitions, each with a leader."""
        now = time.monotonic()
        oldest = now - REMEMBERED.total_seconds()
        self._ready = {topic: at for topic, at in self._ready.items() if at > oldest}
        pending = [
            topic for topic in topics if topic.cluster is None and topic not in self._ready
        ]
        deadline = now + self._ready_timeout.total_seconds()
        while pending:
            pending, problem = await self._round(pending)
            if pending and time.monotonic() > deadline:
                names = ", ".join(topic.name for topic in pending)
                raise TopicError(f"the topics {names} did not become ready: {problem}")
            await asyncio.sleep(_PAUSE_SECONDS if pending else 0)
        self._ready |= {topic: time.monotonic() for topic in topics}

    async def _round(self, topics: Sequence[WantedTopic]) -> tuple[list[WantedTopic], str]:
        """Do what is missing; return the topics that are not ready, and the last reason."""
        pending, problem = [], ""
        states = self._admin().describe_topics(
            TopicCollection([topic.name for topic in topics]),
            request_timeout=self._request_seconds,
        )
        for topic in topics:
            reason = await self._missing(topic, states[topic.name])
            if reason:
                pending.append(topic)
                problem = reason
        return pending, problem

    async def _missing(self, topic: WantedTopic, state: Future[Any]) -> str:
        """Do what is missing for one topic and say what it was; empty if it is ready."""
        try:
            partitions = (await _result(state)).partitions
        except KafkaException as e:
            if e.args[0].code() != KafkaError.UNKNOWN_TOPIC_OR_PART:
                return _reason(e)
            return await self._create(topic)
        if len(partitions) < topic.partitions:
            return await self._grow(topic, len(partitions))
        without_leader = [each.id for each in partitions if each.leader is None]
        return f"partitions {without_leader} have no leader" if without_leader else ""

    async def _create(self, topic: WantedTopic) -> str:
        request = NewTopic(
            topic.name,
            num_partitions=topic.partitions,
            replication_factor=_DEFAULT_OF_BROKER,
        )
        futures = self._admin().create_topics(
            [request], request_timeout=self._request_seconds
        )
        logger.info("making a topic", topic=topic.name, partitions=topic.partitions)
        return await _outcome(futures, topic) or "it was just made"

    async def _grow(self, topic: WantedTopic, partitions: int) -> str:
        request = NewPartitions(topic.name, topic.partitions)
        futures = self._admin().create_partitions(
            [request], request_timeout=self._request_seconds
        )
        logger.warning(
            "adding partitions to a topic: keys may move to other partitions",
            topic=topic.name,
            partitions=topic.partitions,
            before=partitions,
        )
        return await _outcome(futures, topic) or "partitions were just added"

    def _admin(self) -> AdminClient:
        if self._client is None:
            config = librdkafka_config(self._settings)
            self._client = AdminClient(config, logger=logging.getLogger("librdkafka"))
        return self._client


async def _result(future: Future[Any]) -> Any:
    # librdkafka ends every request by itself; the second limit is for a lost callback.
    async with asyncio.timeout(2 * REQUEST_TIMEOUT.total_seconds()):
        return await asyncio.wrap_future(future)


async def _outcome(futures: Mapping[str, Future[Any]], topic: WantedTopic) -> str:
    """Return why a request failed; empty if it went through or somebody was first.

    Raise `TopicRefusedError` if asking again cannot help.
    """
    try:
        await _result(futures[topic.name])
    except KafkaException as e:
        error = e.args[0]
        if error.code() in {KafkaError.TOPIC_ALREADY_EXISTS, KafkaError.INVALID_PARTITIONS}:
            return ""
        if error.code() in _HOPELESS:
            raise TopicRefusedError(
                f"the topic {topic.name} cannot be made: {_reason(e)}"
            ) from e
        return _reason(e)
    return ""


_HOPELESS = {
    KafkaError.TOPIC_AUTHORIZATION_FAILED,
    KafkaError.CLUSTER_AUTHORIZATION_FAILED,
    KafkaError.POLICY_VIOLATION,
    KafkaError.TOPIC_EXCEPTION,
    KafkaError.INVALID_REPLICATION_FACTOR,
}


def _reason(error: KafkaException) -> str:
    return str(error.args[0].str())
