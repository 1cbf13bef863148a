import contextlib
import os
import signal
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

import asyncpg
import pytest
from confluent_kafka import Consumer, Producer

from kafkaml_local.exceptions import PartError
from kafkaml_local.kafka import Kafka
from kafkaml_local.ports import free_port
from kafkaml_local.postgres import Postgres

TIMEOUT = timedelta(seconds=60)
Server = TypeVar("Server", Postgres, Kafka)


@contextlib.contextmanager
def running(server: Server) -> Iterator[Server]:
    try:
        server.start()
        server.wait_ready(TIMEOUT)
        yield server
    finally:
        server.stop()


@pytest.fixture
def postgres(tmp_path: Path) -> Iterator[Postgres]:
    with running(Postgres(directory=tmp_path / "postgres", port=free_port())) as server:
        yield server


@pytest.fixture
def kafka(tmp_path: Path) -> Iterator[Kafka]:
    with running(make_kafka(tmp_path / "kafka")) as server:
        yield server


def make_kafka(directory: Path) -> Kafka:
    port = free_port()
    return Kafka(directory=directory, port=port, controller_port=free_port(taken=[port]))


async def execute(postgres: Postgres, statement: str) -> list[asyncpg.Record]:
    url = postgres.url("things").replace("+asyncpg", "")
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetch(statement)
    finally:
        await connection.close()


def produce(kafka: Kafka, topic: str, value: bytes) -> None:
    producer = Producer({"bootstrap.servers": kafka.address})
    producer.produce(topic, value)
    assert producer.flush(20) == 0


def consume(kafka: Kafka, topic: str, count: int) -> list[bytes | None]:
    consumer = Consumer(
        {
            "bootstrap.servers": kafka.address,
            "group.id": f"readers-{topic}-{count}",
            "auto.offset.reset": "earliest",
        }
    )
    try:
        consumer.subscribe([topic])
        return [message.value() for message in consumer.consume(count, timeout=20)]
    finally:
        consumer.close()


def kill(server: Postgres | Kafka) -> None:
    process = server.process.find()
    assert process is not None
    os.kill(process.pid, signal.SIGKILL)
    process.wait(10)
    assert not server.is_running()
    assert server.process.has_died()


async def test_postgres_keeps_its_data_over_a_stop_and_a_kill(postgres: Postgres) -> None:
    postgres.create_database("things")
    postgres.create_database("things")
    await execute(postgres, "CREATE TABLE t AS SELECT 7 AS n")

    postgres.stop()
    assert not postgres.is_running()
    postgres.start()
    postgres.wait_ready(TIMEOUT)
    await execute(postgres, "INSERT INTO t VALUES (8)")

    kill(postgres)
    postgres.start()
    postgres.wait_ready(TIMEOUT)
    assert [row["n"] for row in await execute(postgres, "SELECT n FROM t")] == [7, 8]


async def test_postgres_refuses_a_wrong_password(postgres: Postgres) -> None:
    url = postgres.url("postgres").replace("+asyncpg", "")
    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(url, password="wrong")


def test_postgres_is_not_stopped_by_the_lock_of_another_process(postgres: Postgres) -> None:
    postgres.stop()
    data = next(Path(postgres.process.log.parent).glob("data"))
    (data / "postmaster.pid").write_text(f"{os.getpid()}\n{data}\n0\n1\n\n\n")
    postgres.start()
    postgres.wait_ready(TIMEOUT)


def test_postgres_says_why_it_did_not_start(postgres: Postgres, tmp_path: Path) -> None:
    port = int(postgres.url("x").rsplit(":", 1)[1].split("/")[0])
    second = Postgres(directory=tmp_path / "second", port=port)
    with pytest.raises(PartError, match="Address already in use"), running(second):
        pass


def test_kafka_keeps_its_records_over_a_stop_a_kill_and_new_ports(
    kafka: Kafka, tmp_path: Path, topic_name: Callable[[str], str]
) -> None:
    topic = topic_name("numbers")
    produce(kafka, topic, b"1")

    kafka.stop()
    assert not kafka.is_running()
    with running(make_kafka(tmp_path / "kafka")) as moved:
        produce(moved, topic, b"2")

        kill(moved)
        moved.start()
        moved.wait_ready(TIMEOUT)
        assert consume(moved, topic, 2) == [b"1", b"2"]


def test_kafka_says_why_it_did_not_start(kafka: Kafka, tmp_path: Path) -> None:
    port = int(kafka.address.split(":")[1])
    second = Kafka(directory=tmp_path / "second", port=port, controller_port=free_port())
    with pytest.raises(PartError, match="Address already in use"), running(second):
        pass


def test_the_fixtures_give_servers_that_answer(
    kafka_bootstrap: str, postgres_url: str
) -> None:
    assert ":" in kafka_bootstrap
    assert postgres_url.startswith("postgresql+asyncpg://")
