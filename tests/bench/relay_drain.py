"""Events per second of the relay, over a bare aiokafka producer of the same records."""

import asyncio
import statistics
import time
from datetime import timedelta
from uuid import uuid4

import asyncpg
from aiokafka import AIOKafkaProducer
from tests.support.platform import RunningPlatform

from kafkaml.sinks.base import kafka_settings
from kafkaml.topics import ensure_topic

PATIENCE = timedelta(seconds=30)
ROUNDS = 5
COUNT = 10_000
VALUE = (
    b'{"id":1,"deployment_id":1,"attempt":1,"epoch":1,"epochs":10,"values":{"loss":0.1}}'
)
INSERT = """
insert into outbox (event_id, topic, key, value, headers)
select gen_random_uuid(), 'bench-relay', convert_to('trainings/' || n % 100, 'UTF8'), $1,
       '[["ce_type", "training.progressed"]]'
from generate_series(1, $2::int) n
"""


def measure(platform: RunningPlatform) -> list[str]:
    """Return the lines of the report."""
    for topic in ("bench-relay", "bench-bare"):
        ensure_topic(
            kafka_settings(platform.bootstrap_servers),
            topic,
            partitions=1,
            timeout=PATIENCE,
        )
    url = platform.process("relay").environ()["KAFKA_ML_DATABASE_URL"]
    return asyncio.run(_measure(url.replace("+asyncpg", ""), platform.bootstrap_servers))


async def _measure(database_url: str, bootstrap_servers: str) -> list[str]:
    connection = await asyncpg.connect(database_url)
    bare, ours = [], []
    for _ in range(ROUNDS):
        bare.append(await _produce(bootstrap_servers))
        ours.append(await _drain(connection))
    await connection.close()
    ratio = statistics.median(one / two for one, two in zip(ours, bare, strict=True))
    return [
        f"bare aiokafka, acks=all       {statistics.median(bare):8.0f} records/s",
        f"relay, outbox to Kafka        {statistics.median(ours):8.0f} events/s",
        f"ratio relay / bare            {ratio:.2f}",
    ]


async def _drain(connection: asyncpg.Connection) -> float:
    """Commit events at once; return how many per second left the outbox."""
    await connection.execute(INSERT, VALUE, COUNT)
    started = time.perf_counter()
    async with asyncio.timeout(120):
        while await connection.fetchval("select exists (select from outbox)"):
            await asyncio.sleep(0.02)
    return COUNT / (time.perf_counter() - started)


async def _produce(bootstrap_servers: str) -> float:
    """Produce the same records without a database; return how many per second."""
    producer = AIOKafkaProducer(
        bootstrap_servers=bootstrap_servers, acks="all", enable_idempotence=True
    )
    async with producer:
        headers = [("ce_id", str(uuid4()).encode())]
        started = time.perf_counter()
        futures = [
            await producer.send("bench-bare", VALUE, key=b"trainings/1", headers=headers)
            for _ in range(COUNT)
        ]
        await asyncio.gather(*futures)
        return COUNT / (time.perf_counter() - started)
