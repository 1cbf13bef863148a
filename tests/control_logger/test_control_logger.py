"""The control-logger on a real broker, with an API of its own."""

import asyncio
import os
import random
import signal
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from control_logger.config import ControlLoggerSettings
from control_logger.logger import ControlLogger
from kafkaml.client import AsyncClient
from kafkaml.control import MAX_VALUE_BYTES
from kafkaml.heartbeat import Heartbeat
from tests.control_logger.fake_api import FakeApi

TIMEOUT = 60.0
MEBIBYTE = 1024 * 1024


@pytest.fixture
async def api() -> AsyncIterator[FakeApi]:
    api = FakeApi()
    async with api.serve():
        yield api


@pytest.fixture
async def settings(
    api: FakeApi, kafka_bootstrap: str, topic_name: Callable[[str], str]
) -> ControlLoggerSettings:
    return ControlLoggerSettings(
        url=api.url,
        bootstrap_servers=kafka_bootstrap,
        control_topic=topic_name("control"),
        control_logger_group=topic_name("group"),
    )


async def make_topic(settings: ControlLoggerSettings, partitions: int = 1) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=settings.bootstrap_servers)
    await admin.start()
    large = {"max.message.bytes": str(4 * MEBIBYTE)}
    topic = NewTopic(settings.control_topic, partitions, 1, topic_configs=large)
    await admin.create_topics([topic])
    await admin.close()


async def send(
    settings: ControlLoggerSettings, messages: Sequence[tuple[bytes | None, bytes | None]]
) -> None:
    producer = AIOKafkaProducer(
        bootstrap_servers=settings.bootstrap_servers, max_request_size=4 * MEBIBYTE
    )
    await producer.start()
    for key, value in messages:
        await producer.send_and_wait(settings.control_topic, value, key=key, partition=0)
    await producer.stop()


@asynccontextmanager
async def logging_control(
    settings: ControlLoggerSettings, heartbeat_file: Path | None = None
) -> AsyncIterator[None]:
    stop = asyncio.Event()
    async with AsyncClient(settings.url, "secret", retry_for=0) as client:
        logger = ControlLogger(
            settings=settings,
            recorder=client.datasources,
            heartbeat=Heartbeat(heartbeat_file),
            stop=stop,
        )
        task = asyncio.create_task(logger.run())
        try:
            yield
        finally:
            stop.set()
            await asyncio.wait_for(task, TIMEOUT)


async def wait_for(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(TIMEOUT):
        while True:
            if condition():
                return
            await asyncio.sleep(0.02)


def numbered(count: int, start: int = 0) -> list[tuple[bytes | None, bytes | None]]:
    return [(b"\x01", str(number).encode()) for number in range(start, start + count)]


def numbers(api: FakeApi) -> list[int]:
    return [int(value or b"-1") for value in api.values()]


async def test_every_message_is_recorded_once_and_in_order(
    api: FakeApi, settings: ControlLoggerSettings
) -> None:
    await make_topic(settings)
    await send(settings, numbered(30))

    async with logging_control(settings):
        await wait_for(lambda: len(api.posted) == 30)
    await send(settings, numbered(30, start=30))
    async with logging_control(settings):
        await wait_for(lambda: len(api.posted) >= 60)

    assert numbers(api) == list(range(60))
    assert [each.offset for each in api.posted] == list(range(60))
    assert api.posted[0].topic == settings.control_topic
    assert api.posted[0].key == "AQ=="
    assert api.posted[0].timestamp_ms > 1_500_000_000_000


async def test_the_topic_may_come_later(
    api: FakeApi, settings: ControlLoggerSettings
) -> None:
    async with logging_control(settings):
        await asyncio.sleep(1)
        await make_topic(settings)
        await send(settings, numbered(3))
        await wait_for(lambda: len(api.posted) == 3)

    assert numbers(api) == [0, 1, 2]


async def test_strange_messages_are_recorded_too(
    api: FakeApi, settings: ControlLoggerSettings
) -> None:
    await make_topic(settings)
    large = b"x" * 2 * MEBIBYTE
    await send(
        settings,
        [
            (b"\x01", None),
            (None, b"{}"),
            (b"", b""),
            (b"\xff" * 100_000, b"\x00\xff"),
            (b"\x01", large),
            (b"\x01", b"after"),
        ],
    )

    async with logging_control(settings):
        await wait_for(lambda: len(api.posted) == 6)

    cut = large[: MAX_VALUE_BYTES + 1]
    assert api.values() == [None, b"{}", b"", b"\x00\xff", cut, b"after"]
    assert [each.key for each in api.posted[:3]] == ["AQ==", None, ""]


async def test_nothing_is_passed_over_while_the_api_is_away(
    api: FakeApi, settings: ControlLoggerSettings
) -> None:
    await make_topic(settings)
    api.is_away = True
    async with logging_control(settings):
        await send(settings, numbered(5))
        await asyncio.wait_for(api.answered.wait(), TIMEOUT)
        await asyncio.sleep(2)
        assert api.posted == []
        api.is_away = False
        await wait_for(lambda: len(api.posted) == 5)

    assert numbers(api) == list(range(5))


async def test_a_stop_while_the_api_is_away_commits_nothing(
    api: FakeApi, settings: ControlLoggerSettings
) -> None:
    await make_topic(settings)
    await send(settings, numbered(2))
    api.is_away = True
    async with logging_control(settings):
        await asyncio.wait_for(api.answered.wait(), TIMEOUT)
    assert api.posted == []

    api.is_away = False
    async with logging_control(settings):
        await wait_for(lambda: len(api.posted) == 2)
    assert numbers(api) == [0, 1]


async def test_its_heart_beats_whatever_is_away(
    api: FakeApi, settings: ControlLoggerSettings, tmp_path: Path
) -> None:
    heartbeat_file = tmp_path / "heartbeat"

    async def beats_twice() -> None:
        for _ in range(2):
            heartbeat_file.unlink(missing_ok=True)
            await wait_for(heartbeat_file.exists)

    async with logging_control(settings, heartbeat_file):
        await beats_twice()
        await make_topic(settings)
        await send(settings, numbered(1))
        await wait_for(lambda: len(api.posted) == 1)
        await beats_twice()
        api.is_away = True
        api.answered.clear()
        await send(settings, numbered(1))
        await asyncio.wait_for(api.answered.wait(), TIMEOUT)
        await beats_twice()
    nowhere = settings.model_copy(update={"bootstrap_servers": "127.0.0.1:1"})
    async with logging_control(nowhere, heartbeat_file):
        await beats_twice()


async def test_what_the_api_refuses_holds_up_nothing(
    api: FakeApi, settings: ControlLoggerSettings
) -> None:
    await make_topic(settings)
    api.refuses = lambda record: record.offset == 1 and record.value is not None
    await send(settings, numbered(3))
    async with logging_control(settings):
        await wait_for(lambda: len(api.posted) == 3)
    assert api.values() == [b"0", None, b"2"]

    api.refuses = lambda record: record.offset == 3
    await send(settings, numbered(2, start=3))
    async with logging_control(settings):
        await wait_for(lambda: len(api.posted) == 4)
    assert api.values()[-1] == b"4"


async def test_two_loggers_share_the_partitions(
    api: FakeApi, settings: ControlLoggerSettings
) -> None:
    await make_topic(settings, partitions=2)
    async with logging_control(settings):
        await send(settings, numbered(10))
        async with logging_control(settings):
            await send(settings, numbered(10, start=10))
            await wait_for(lambda: len(set(numbers(api))) == 20)
        await send(settings, numbered(10, start=20))
        await wait_for(lambda: len(set(numbers(api))) == 30)

    assert list(dict.fromkeys(numbers(api))) == list(range(30))


@asynccontextmanager
async def logger_process(
    settings: ControlLoggerSettings,
) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "control_logger.main",
        env={
            "PATH": os.environ["PATH"],
            "KAFKA_ML_URL": settings.url,
            "KAFKA_ML_TOKEN": "secret",
            "KAFKA_ML_BOOTSTRAP_SERVERS": settings.bootstrap_servers,
            "KAFKA_ML_CONTROL_TOPIC": settings.control_topic,
            "KAFKA_ML_CONTROL_LOGGER_GROUP": settings.control_logger_group,
        },
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def test_killed_loggers_lose_nothing(
    api: FakeApi, settings: ControlLoggerSettings
) -> None:
    await make_topic(settings)
    total = 0
    for _ in range(2):
        await send(settings, numbered(200, start=total))
        total += 200
        seen = len(api.posted)
        async with logger_process(settings) as process:
            wanted = seen + random.randrange(20, 150)
            await wait_for(partial(lambda least: len(api.posted) >= least, wanted))
            process.kill()
    async with logger_process(settings) as process:
        await wait_for(lambda: total - 1 in numbers(api))
        process.send_signal(signal.SIGTERM)
        process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(process.wait(), TIMEOUT) == 0

    assert list(dict.fromkeys(numbers(api))) == list(range(total))
    repeated = len(api.posted) - total
    assert repeated <= 2
