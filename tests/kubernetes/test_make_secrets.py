"""The Secret of an installation, in a namespace of the test's own."""

import asyncio
from base64 import b64decode, b64encode
from collections.abc import AsyncIterator, Iterator
from uuid import uuid4

import pytest

from orchestrator.exceptions import ExecutorError
from orchestrator.executors.kubernetes.client import KubernetesClient
from orchestrator.executors.kubernetes.resources import SECRETS
from orchestrator.make_secrets import SecretMaker

from .kubectl import Manifest, get, kubectl

TOKENS = ["admin-token", "control-logger-token", "orchestrator-token"]


@pytest.fixture
def namespace() -> Iterator[str]:
    name = f"kafka-ml-test-{uuid4().hex[:8]}"
    kubectl("create", "namespace", name)
    yield name
    kubectl("delete", "namespace", name, "--wait=false")


@pytest.fixture
async def client(namespace: str) -> AsyncIterator[KubernetesClient]:
    async with KubernetesClient.connect(namespace=namespace) as connected:
        yield connected


def values(namespace: str) -> dict[str, str]:
    data = get(namespace, "secret", "kafka-ml")["data"]
    return {key: b64decode(value).decode() for key, value in data.items()}


def manifest(**texts: str) -> Manifest:
    data = {
        key.replace("_", "-"): b64encode(text.encode()).decode()
        for key, text in texts.items()
    }
    metadata = {"name": "kafka-ml"}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": data}


async def test_it_is_made_once(client: KubernetesClient, namespace: str) -> None:
    assert await SecretMaker(client=client).make() == TOKENS
    made = values(namespace)
    assert sorted(made) == TOKENS
    assert await SecretMaker(client=client).make() == []
    assert values(namespace) == made


async def test_a_bundled_postgres_gets_a_password_and_an_address(
    client: KubernetesClient, namespace: str
) -> None:
    await SecretMaker(client=client, postgres="postgres.example").make()
    made = values(namespace)
    password = made["postgres-password"]
    assert made["database-url"] == (
        f"postgresql+asyncpg://kafka_ml:{password}@postgres.example:5432/kafka_ml"
    )


async def test_what_is_there_stays_and_what_lacks_is_added(
    client: KubernetesClient, namespace: str
) -> None:
    chosen = {"admin_token": "chosen-by-a-person", "postgres_password": "a/b@c"}
    await client.create(SECRETS, manifest(**chosen))
    maker = SecretMaker(client=client, postgres="postgres")
    assert await maker.make() == [
        "control-logger-token",
        "database-url",
        "orchestrator-token",
    ]
    made = values(namespace)
    assert made["admin-token"] == "chosen-by-a-person"
    assert made["postgres-password"] == "a/b@c"
    assert ":a%2Fb%40c@" in made["database-url"]


async def test_a_database_of_somebody_else_is_left_alone(
    client: KubernetesClient, namespace: str
) -> None:
    url = "postgresql+asyncpg://me:secret@database.example/mine"
    await client.create(SECRETS, manifest(database_url=url))
    await SecretMaker(client=client).make()
    assert values(namespace)["database-url"] == url


async def test_several_at_once_make_one_secret(
    client: KubernetesClient, namespace: str
) -> None:
    makers = [SecretMaker(client=client, postgres="postgres") for _ in range(5)]
    outcomes = await asyncio.gather(
        *(maker.make() for maker in makers), return_exceptions=True
    )
    assert [each for each in outcomes if isinstance(each, list) and each]
    assert all(isinstance(each, list | ExecutorError) for each in outcomes)
    made = values(namespace)
    assert await SecretMaker(client=client, postgres="postgres").make() == []
    assert values(namespace) == made
