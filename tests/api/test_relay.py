"""The relay, on a real Postgres and a real broker."""

import asyncio
import itertools
import os
import random
import signal
import sys
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from pydantic import SecretStr
from sqlalchemy import func, insert, select, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

from api.config import RelaySettings
from api.relay import RelayProcess, create_relay_engine
from api.services.publisher import Publisher
from api.services.relay import BATCH_RECORDS, Relay
from api.services.relay_metrics import RelayMetrics
from api.services.topics import ensure_topics
from api.storage.outbox import Outbox
from api.tables.outbox_record import OutboxRecord
from kafkaml.heartbeat import Heartbeat
from kafkaml_local.kafka import Kafka
from kafkaml_local.ports import free_port

TIMEOUT = 60.0
# `tests/soak/relay_kills.py` asks for more.
KILLS = int(os.environ.get("KAFKA_ML_TEST_KILLS", "6"))


@pytest.fixture
def settings(
    postgres_url: str, kafka_bootstrap: str, topic_name: Callable[[str], str]
) -> RelaySettings:
    return make_settings(postgres_url, kafka_bootstrap, topic_name)


def make_settings(
    postgres_url: str, bootstrap_servers: str, topic_name: Callable[[str], str]
) -> RelaySettings:
    return RelaySettings(
        database_url=postgres_url,
        bootstrap_servers=bootstrap_servers,
        events_topic=topic_name("events"),
        control_topic=topic_name("control"),
    )


@pytest.fixture
async def engine(postgres_url: str) -> AsyncIterator[AsyncEngine]:
    """A database with an outbox, and with things whose versions are told there."""
    engine = create_async_engine(postgres_url, poolclass=NullPool)
    async with engine.begin() as connection:
        await connection.run_sync(OutboxRecord.metadata.tables["outbox"].create)
        await connection.execute(
            text("CREATE TABLE thing (id int PRIMARY KEY, version int NOT NULL)")
        )
        await connection.execute(
            text("INSERT INTO thing SELECT id, 0 FROM generate_series(0, 7) AS id")
        )
    yield engine
    await engine.dispose()


@pytest.fixture
async def relay(settings: RelaySettings) -> AsyncIterator[Relay]:
    relay_engine = create_relay_engine(settings)
    publisher = Publisher(settings)
    async with relay_engine.connect() as connection:
        yield Relay(outbox=Outbox(connection), publisher=publisher, metrics=RelayMetrics())
    await publisher.close()
    await relay_engine.dispose()


@asynccontextmanager
async def running_relay(
    settings: RelaySettings,
    *,
    metrics: RelayMetrics | None = None,
    heartbeat_file: Path | None = None,
    letters: bool = False,
) -> AsyncIterator[asyncio.Event]:
    stop = asyncio.Event()
    engine = create_relay_engine(settings)
    process = RelayProcess(
        engine=engine,
        kafka=settings,
        metrics=metrics or RelayMetrics(),
        heartbeat=Heartbeat(heartbeat_file),
        stop=stop,
        letters=letters,
    )
    task = asyncio.create_task(process.run())
    try:
        yield stop
    finally:
        stop.set()
        await asyncio.wait_for(task, TIMEOUT)
        await engine.dispose()


async def add_record(
    connection: AsyncConnection, *, topic: str, key: str, value: bytes
) -> None:
    event_id = uuid4()
    await connection.execute(
        insert(OutboxRecord).values(
            event_id=event_id,
            topic=topic,
            key=key.encode(),
            value=value,
            headers=[("ce_id", str(event_id)), ("ce_subject", key)],
        )
    )


async def change_thing(engine: AsyncEngine, *, topic: str, pause: float = 0.0) -> bool:
    """Change a thing and tell of it in one transaction, as the API does; or roll back."""
    thing = random.randrange(8)
    async with engine.connect() as connection, connection.begin() as transaction:
        version = await connection.scalar(
            text("UPDATE thing SET version = version + 1 WHERE id = :id RETURNING version"),
            {"id": thing},
        )
        await add_record(
            connection, topic=topic, key=f"things/{thing}", value=str(version).encode()
        )
        await asyncio.sleep(random.uniform(0, pause))
        if random.random() < 0.1:
            await transaction.rollback()
            return False
    return True


async def write_concurrently(
    engine: AsyncEngine, *, topic: str, until: Callable[[], bool]
) -> None:
    async def write() -> None:
        while not until():
            await change_thing(engine, topic=topic, pause=0.02)

    await asyncio.gather(*(write() for _ in range(16)))


async def count_left(engine: AsyncEngine) -> int:
    async with engine.connect() as connection:
        return await connection.scalar(select(func.count()).select_from(OutboxRecord)) or 0


async def wait_empty(engine: AsyncEngine) -> None:
    async with asyncio.timeout(TIMEOUT):
        while True:
            if not await count_left(engine):
                return
            await asyncio.sleep(0.05)


async def read_all(bootstrap_servers: str, topic: str) -> list[ConsumerRecord]:
    """Return all records of a topic with one partition."""
    partition = TopicPartition(topic, 0)
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap_servers, auto_offset_reset="earliest"
    )
    await consumer.start()
    try:
        assert await consumer.topics()
        consumer.assign([partition])
        end = (await consumer.end_offsets([partition]))[partition]
        records: list[ConsumerRecord] = []
        async with asyncio.timeout(TIMEOUT):
            while await consumer.position(partition) < end:
                found = await consumer.getmany(timeout_ms=500)
                records.extend(each for batch in found.values() for each in batch)
        return records
    finally:
        await consumer.stop()


def without_repeats(records: Sequence[ConsumerRecord]) -> list[ConsumerRecord]:
    first = {dict(each.headers)["ce_id"]: each for each in reversed(records)}
    return sorted(first.values(), key=lambda each: each.offset)


def values_by_key(records: Sequence[ConsumerRecord]) -> dict[bytes, list[int]]:
    values: defaultdict[bytes, list[int]] = defaultdict(list)
    for each in records:
        values[each.key].append(int(each.value))
    return values


async def assert_all_in_order(
    engine: AsyncEngine, records: Sequence[ConsumerRecord]
) -> None:
    async with engine.connect() as connection:
        versions = await connection.execute(text("SELECT id, version FROM thing"))
        expected = {
            f"things/{thing}".encode(): list(range(1, version + 1))
            for thing, version in versions
            if version
        }
    assert values_by_key(without_repeats(records)) == expected


async def test_a_pass_publishes_what_was_written(
    engine: AsyncEngine, relay: Relay, settings: RelaySettings
) -> None:
    await ensure_topics(settings, [settings.events_topic])
    async with engine.begin() as connection:
        for number in range(BATCH_RECORDS + 10):
            await add_record(
                connection,
                topic=settings.events_topic,
                key=f"things/{number % 3}",
                value=str(number).encode(),
            )

    assert await relay.relay_batch() == BATCH_RECORDS
    assert await relay.relay_batch() == 10
    assert await relay.relay_batch() == 0

    records = await read_all(settings.bootstrap_servers, settings.events_topic)
    assert [int(each.value) for each in records] == list(range(BATCH_RECORDS + 10))
    assert records[4].key == b"things/1"
    assert dict(records[4].headers)["ce_subject"] == b"things/1"
    assert await count_left(engine) == 0


async def test_a_pass_is_bounded_in_bytes_and_makes_progress(
    engine: AsyncEngine, relay: Relay, settings: RelaySettings
) -> None:
    await ensure_topics(settings, [settings.control_topic])
    async with engine.begin() as connection:
        for size in (300_000, 300_000, 900_000, 10):
            await add_record(
                connection, topic=settings.control_topic, key="1", value=b"x" * size
            )

    assert [await relay.relay_batch() for _ in range(5)] == [1, 1, 1, 1, 0]


async def test_what_kafka_never_takes_is_parked_and_holds_up_nothing(
    engine: AsyncEngine, relay: Relay, settings: RelaySettings
) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=settings.bootstrap_servers)
    await admin.start()
    small = {"max.message.bytes": "20000"}
    await admin.create_topics([NewTopic(settings.events_topic, 1, 1, topic_configs=small)])
    await admin.close()
    await ensure_topics(settings, [settings.events_topic])
    async with engine.begin() as connection:
        for number in range(40):
            padding = "0" * (30_000 if number == 17 else 1_000)
            value = f"{padding}{number}".encode()
            await add_record(
                connection, topic=settings.events_topic, key="things/1", value=value
            )

    while await relay.relay_batch():
        pass

    records = await read_all(settings.bootstrap_servers, settings.events_topic)
    assert [int(each.value) for each in records] == [
        number for number in range(40) if number != 17
    ]
    async with engine.connect() as connection:
        parked = (await connection.execute(select(OutboxRecord.__table__))).one()
    assert parked.value.endswith(b"017")
    assert parked.parked_at is not None
    assert "large" in parked.parked_reason


async def test_letters_for_a_topic_that_cannot_be_hold_up_neither_events_nor_others(
    engine: AsyncEngine, settings: RelaySettings
) -> None:
    await ensure_topics(settings, [settings.events_topic, settings.control_topic])
    async with engine.begin() as connection:
        for topic in ("no topic", settings.control_topic):
            await connection.execute(
                insert(OutboxRecord).values(
                    event_id=uuid4(), topic=topic, is_letter=True, headers=[("h", "AP8=")]
                )
            )
    await change_until_told_beside_letters(engine, settings)

    async with running_relay(settings, letters=True):
        records = await wait_for_records(settings, settings.control_topic)

    assert [(each.key, each.value, each.headers) for each in records] == [
        (None, None, (("h", b"\x00\xff"),))
    ]
    async with engine.connect() as connection:
        parked = (await connection.execute(select(OutboxRecord.__table__))).one()
    assert parked.topic == "no topic"
    assert "not there" in parked.parked_reason


async def change_until_told_beside_letters(
    engine: AsyncEngine, settings: RelaySettings
) -> None:
    async with running_relay(settings):
        while not await change_thing(engine, topic=settings.events_topic):
            pass
        while not await read_all(settings.bootstrap_servers, settings.events_topic):
            await asyncio.sleep(0.1)


async def wait_for_records(settings: RelaySettings, topic: str) -> list[ConsumerRecord]:
    while not (records := await read_all(settings.bootstrap_servers, topic)):
        await asyncio.sleep(0.1)
    return records


async def test_order_holds_under_concurrent_writers(
    engine: AsyncEngine, settings: RelaySettings
) -> None:
    rounds = itertools.count()  # of sixteen writers; some take their change back
    async with running_relay(settings):
        await write_concurrently(
            engine, topic=settings.events_topic, until=lambda: next(rounds) >= 400
        )
        await wait_empty(engine)

    records = await read_all(settings.bootstrap_servers, settings.events_topic)
    assert len(records) > 200
    assert len(without_repeats(records)) == len(records)
    await assert_all_in_order(engine, records)


async def test_a_second_relay_waits_for_the_first(
    engine: AsyncEngine, settings: RelaySettings
) -> None:
    first, second = RelayMetrics(), RelayMetrics()

    async with running_relay(settings, metrics=first) as stop_first:
        await change_until_told(engine, settings)
        async with running_relay(settings, metrics=second):
            await asyncio.sleep(1.5)
            await change_until_told(engine, settings)
            assert published(second) == 0
            stop_first.set()
            await change_until_told(engine, settings)
            assert published(second) > 0

    records = await read_all(settings.bootstrap_servers, settings.events_topic)
    await assert_all_in_order(engine, records)


async def change_until_told(engine: AsyncEngine, settings: RelaySettings) -> None:
    while not await change_thing(engine, topic=settings.events_topic):
        pass
    await wait_empty(engine)


def published(metrics: RelayMetrics) -> float:
    name = "kafkaml_outbox_published_records_total"
    return metrics.registry.get_sample_value(name) or 0.0


async def test_a_lost_database_session_is_replaced(
    engine: AsyncEngine, settings: RelaySettings
) -> None:
    async with running_relay(settings):
        for _ in range(3):
            await change_until_told(engine, settings)
            async with engine.begin() as connection:
                ended = await connection.scalar(
                    text(
                        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
                        "WHERE application_name = 'kafkaml-relay' "
                        "AND datname = current_database()"
                    )
                )
            assert ended == 1
        await change_until_told(engine, settings)

    records = await read_all(settings.bootstrap_servers, settings.events_topic)
    await assert_all_in_order(engine, records)


async def assert_beats(heartbeat_file: Path) -> None:
    """Return once a heartbeat has come again, twice."""

    async def come() -> None:
        while not is_there():
            await asyncio.sleep(0.02)

    is_there = heartbeat_file.exists
    for _ in range(2):
        await asyncio.to_thread(heartbeat_file.unlink, missing_ok=True)
        await asyncio.wait_for(come(), TIMEOUT)


async def test_its_heart_beats_whatever_is_away(
    settings: RelaySettings, engine: AsyncEngine, tmp_path: Path
) -> None:
    away = {"bootstrap_servers": f"127.0.0.1:{free_port()}"}
    nowhere = SecretStr("postgresql+asyncpg://u:p@127.0.0.1:1/none")
    working, standing_by, lonely = (tmp_path / name for name in "abc")
    async with running_relay(settings, heartbeat_file=working):
        await change_thing(engine, topic=settings.events_topic)
        await wait_empty(engine)
        await assert_beats(working)
        async with running_relay(settings, heartbeat_file=standing_by):
            await assert_beats(standing_by)
    async with running_relay(settings.model_copy(update=away), heartbeat_file=working):
        await assert_beats(working)
    lost = settings.model_copy(update={"database_url": nowhere})
    async with running_relay(lost, heartbeat_file=lonely):
        await assert_beats(lonely)


@pytest.fixture
def own_port() -> int:
    return free_port()


@pytest.fixture
def own_broker(own_port: int, tmp_path: Path) -> Iterator[Kafka]:
    """A broker that the test may stop; not started."""
    controller_port = free_port(taken=[own_port])
    broker = Kafka(directory=tmp_path, port=own_port, controller_port=controller_port)
    yield broker
    broker.stop()


async def test_nothing_is_lost_while_the_broker_is_away(
    engine: AsyncEngine,
    own_broker: Kafka,
    own_port: int,
    postgres_url: str,
    topic_name: Callable[[str], str],
) -> None:
    settings = make_settings(postgres_url, f"127.0.0.1:{own_port}", topic_name)
    topic = settings.events_topic

    async def write(count: int) -> None:
        for _ in range(count):
            await change_thing(engine, topic=topic)

    async with running_relay(settings):
        await write(50)
        assert await count_left(engine) > 0
        for _ in range(2):
            await asyncio.to_thread(own_broker.start)
            await write(50)
            await asyncio.to_thread(own_broker.wait_ready, timedelta(seconds=60))
            await wait_empty(engine)
            await asyncio.to_thread(own_broker.stop)
            await write(50)
            assert await count_left(engine) > 0
        await asyncio.to_thread(own_broker.start)
        await wait_empty(engine)

    records = await read_all(settings.bootstrap_servers, topic)
    await assert_all_in_order(engine, records)


@asynccontextmanager
async def relay_subprocess(
    settings: RelaySettings, database_url: str
) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "api.relay",
        stderr=asyncio.subprocess.PIPE,
        env={
            "PATH": os.environ["PATH"],
            "KAFKA_ML_DATABASE_URL": database_url,
            "KAFKA_ML_BOOTSTRAP_SERVERS": settings.bootstrap_servers,
            "KAFKA_ML_EVENTS_TOPIC": settings.events_topic,
            "KAFKA_ML_CONTROL_TOPIC": settings.control_topic,
        },
    )
    assert process.stderr is not None
    try:
        async with asyncio.timeout(TIMEOUT):
            while b"relay active" not in (line := await process.stderr.readline()):
                assert line, "the relay has ended"
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


@pytest.mark.timeout(400 + 20 * KILLS)  # each starts a process
async def test_killed_relays_lose_nothing_and_keep_the_order(
    engine: AsyncEngine, settings: RelaySettings, postgres_url: str
) -> None:
    killed = 0

    async def kill_relays() -> None:
        nonlocal killed
        while killed < KILLS:
            async with relay_subprocess(settings, postgres_url):
                await asyncio.sleep(random.uniform(0, 0.3))
            killed += 1

    async with asyncio.TaskGroup() as group:
        group.create_task(kill_relays())
        group.create_task(
            write_concurrently(
                engine, topic=settings.events_topic, until=lambda: killed >= KILLS
            )
        )
    async with relay_subprocess(settings, postgres_url) as process:
        await wait_empty(engine)
        process.send_signal(signal.SIGTERM)
        process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(process.wait(), TIMEOUT) == 0

    records = await read_all(settings.bootstrap_servers, settings.events_topic)
    await assert_all_in_order(engine, records)
