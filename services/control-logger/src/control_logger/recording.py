"""One control message becomes one datasource of the API."""

import asyncio
from base64 import b64encode
from typing import Protocol

import structlog
from aiokafka import ConsumerRecord

from kafkaml.backoff import Backoff, is_set_within
from kafkaml.control import MAX_VALUE_BYTES
from kafkaml.exceptions import ClientError, ProblemError
from kafkaml.heartbeat import Heartbeat
from kafkaml.schemas.datasources import Datasource, DatasourceRecord

MAX_KEY_BYTES = 1024
UNACCEPTABLE = frozenset({400, 413, 422})

logger = structlog.get_logger(__name__)


class DatasourceRecorder(Protocol):
    """Where control messages are recorded: the client's `datasources`, or a fake."""

    async def record(self, record: DatasourceRecord) -> Datasource:
        """Return the datasource; a message whose place is known is recorded once."""
        ...


class Recording:
    """Sends control messages to the API until it has them, or until a stop."""

    def __init__(
        self, *, recorder: DatasourceRecorder, heartbeat: Heartbeat, stop: asyncio.Event
    ) -> None:
        self._recorder = recorder
        self._heartbeat = heartbeat
        self._stop = stop

    async def record(self, message: ConsumerRecord) -> bool:
        """Return True when the API has the message, False if stopped before.

        If the API finds it unacceptable, at least its place is recorded; if it refuses even
        that, the log is all that tells of it, so that nothing waits for ever behind it.
        """
        whole = to_datasource_record(message)
        bare = whole.model_copy(update={"key": None, "value": None})
        for record in (whole, bare):
            try:
                return await self._repeat(record)
            except ProblemError as e:
                self._tell_refused(record, e)
        return True

    @staticmethod
    def _tell_refused(record: DatasourceRecord, error: ProblemError) -> None:
        bare = record.key is None and record.value is None
        logger.error(
            "control message refused", place=_place(record), bare=bare, error=str(error)
        )

    async def _repeat(self, record: DatasourceRecord) -> bool:
        """Try until the API accepts; raise ProblemError if it never will."""
        backoff = Backoff()
        while not self._stop.is_set():
            self._heartbeat.beat()
            try:
                await self._recorder.record(record)
            except ClientError as e:
                if isinstance(e, ProblemError) and e.problem.status in UNACCEPTABLE:
                    raise
                delay = backoff.next_delay()
                logger.warning(
                    "not recorded yet",
                    place=_place(record),
                    error=str(e),
                    retry_seconds=round(delay, 1),
                )
                await is_set_within(self._stop, delay)
            else:
                logger.info("control message recorded", place=_place(record))
                return True
        return False


def to_datasource_record(message: ConsumerRecord) -> DatasourceRecord:
    """Return what the API is told of a message.

    A key or value that breaks the rules by its size alone is cut just behind the limit: the
    API rejects it for that reason, and need not be sent all of it.
    """
    return DatasourceRecord(
        topic=message.topic,
        partition=message.partition,
        offset=message.offset,
        timestamp_ms=message.timestamp,
        key=_base64(message.key, MAX_KEY_BYTES),
        value=_base64(message.value, MAX_VALUE_BYTES + 1),
    )


def _base64(content: bytes | None, max_bytes: int) -> str | None:
    return None if content is None else b64encode(content[:max_bytes]).decode()


def _place(record: DatasourceRecord) -> str:
    return f"{record.topic}:{record.partition}:{record.offset}"
