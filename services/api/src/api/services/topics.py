"""Making the topics that the API publishes to."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError, TopicAlreadyExistsError, for_code

from kafkaml.config import KafkaSettings
from kafkaml.exceptions import TopicError
from kafkaml.kafka import aiokafka_config

READY_TIMEOUT = timedelta(seconds=20)
REQUEST_TIMEOUT = timedelta(seconds=5)
_POLL_SECONDS = 0.1
_BROKER_DEFAULT = -1


async def ensure_topics(settings: KafkaSettings, names: Sequence[str]) -> None:
    """Make the topics that are absent and wait until all are ready.

    A new one gets one partition, so that the order of its records is total, and the
    broker's default replication. Raises TopicError.
    """
    try:
        async with (
            asyncio.timeout(READY_TIMEOUT.total_seconds()),
            _admin(settings) as admin,
        ):
            absent = set(names) - set(await admin.list_topics())
            if absent:
                await _create(admin, sorted(absent))
            await _wait_ready(admin, names)
    except (KafkaError, OSError) as e:
        raise TopicError(f"the topics {', '.join(names)} are not ready: {e!r}") from e


@asynccontextmanager
async def _admin(settings: KafkaSettings) -> AsyncIterator[AIOKafkaAdminClient]:
    admin = AIOKafkaAdminClient(
        **aiokafka_config(settings),
        request_timeout_ms=int(REQUEST_TIMEOUT.total_seconds() * 1000),
    )
    try:
        await admin.start()
        yield admin
    finally:
        await admin.close()


async def _create(admin: AIOKafkaAdminClient, names: Sequence[str]) -> None:
    answer = await admin.create_topics(
        [NewTopic(name, 1, _BROKER_DEFAULT, replica_assignments={}) for name in names]
    )
    for name, code, message in answer.topic_errors:
        error = for_code(code)
        if code and error is not TopicAlreadyExistsError:
            raise TopicError(f"the topic {name} was not made: {error.__name__} {message}")


async def _wait_ready(admin: AIOKafkaAdminClient, names: Sequence[str]) -> None:
    while True:
        if await _are_ready(admin, names):
            return
        await asyncio.sleep(_POLL_SECONDS)


async def _are_ready(admin: AIOKafkaAdminClient, names: Sequence[str]) -> bool:
    found = {each["topic"]: each for each in await admin.describe_topics(list(names))}
    return all(
        name in found
        and not found[name]["error_code"]
        and all(each["leader"] >= 0 for each in found[name]["partitions"])
        and found[name]["partitions"]
        for name in names
    )
