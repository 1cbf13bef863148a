import time
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from orchestrator.exceptions import ExecutorError
from orchestrator.executors.kubernetes.client import KubernetesClient
from orchestrator.executors.kubernetes.resources import JOBS, PODS, SECRETS

from .fake_kubernetes_server import Fault
from .kubernetes_world import KubernetesWorld, kubernetes_world

SECRET = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "one"}}


@pytest.fixture
async def world(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[KubernetesWorld]:
    async with kubernetes_world(tmp_path, monkeypatch) as made:
        yield made


@pytest.fixture
async def client(world: KubernetesWorld) -> KubernetesClient:
    return await world.client()


async def test_a_server_that_hangs_is_given_up_in_time(world: KubernetesWorld) -> None:
    world.time_limit = timedelta(seconds=0.5)
    client = await world.client()
    world.server.faults = [Fault("GET", "jobs", hangs=True)]
    begin = time.monotonic()
    with pytest.raises(ExecutorError, match="did not answer within"):
        await client.find(JOBS)
    assert time.monotonic() - begin < 10


async def test_a_server_that_is_away_is_an_error_until_it_is_back(
    world: KubernetesWorld, client: KubernetesClient
) -> None:
    assert await client.find(JOBS) == []
    await world.server.stop()
    with pytest.raises(ExecutorError, match="cannot be asked"):
        await client.find(JOBS)
    await world.server.start()
    assert await client.find(JOBS) == []


@pytest.mark.parametrize(
    ("fault", "text"),
    [
        (Fault(status=500), "listing jobs: 500: a fault was injected"),
        (Fault(status=403, reason="Forbidden"), "listing jobs: 403: a fault was injected"),
        (
            Fault(status=429, reason="TooManyRequests", headers={"Retry-After": "7"}),
            r"429: a fault was injected \(asks to wait for 7 s\)",
        ),
    ],
)
async def test_a_refusal_is_told_in_the_words_of_kubernetes(
    world: KubernetesWorld, client: KubernetesClient, fault: Fault, text: str
) -> None:
    world.server.faults = [replace(fault)]
    with pytest.raises(ExecutorError, match=text):
        await client.find(JOBS)


async def test_a_list_that_grows_too_old_between_pages_is_read_once_more(
    world: KubernetesWorld, client: KubernetesClient
) -> None:
    for number in range(5):
        world.cluster.create("jobs", {"metadata": {"name": f"job-{number}"}})
    expired = Fault("GET", "jobs", status=410, reason="Expired", is_of_later_page=True)
    world.server.faults = [expired]
    assert len(await client.find(JOBS)) == 5
    assert expired.times == 0


async def test_a_list_that_grows_too_old_each_time_is_given_up(
    world: KubernetesWorld, client: KubernetesClient
) -> None:
    for number in range(5):
        world.cluster.create("jobs", {"metadata": {"name": f"job-{number}"}})
    world.server.faults = [
        Fault("GET", "jobs", status=410, is_of_later_page=True, times=99)
    ]
    with pytest.raises(ExecutorError, match="grew too old"):
        await client.find(JOBS)


async def test_what_is_there_already_is_not_made_again(client: KubernetesClient) -> None:
    made = await client.create(SECRETS, SECRET)
    assert made is not None
    assert made["metadata"]["uid"]
    assert await client.create(SECRETS, SECRET) is None


async def test_a_conflict_that_left_nothing_is_an_error(
    world: KubernetesWorld, client: KubernetesClient
) -> None:
    world.server.faults = [Fault("POST", "secrets", status=409, reason="Conflict")]
    with pytest.raises(ExecutorError, match="409"):
        await client.create(SECRETS, SECRET)


async def test_a_lost_answer_is_an_error_and_the_object_is_there(
    world: KubernetesWorld, client: KubernetesClient
) -> None:
    world.server.faults = [Fault("POST", "secrets", is_lost=True)]
    with pytest.raises(ExecutorError):
        await client.create(SECRETS, SECRET)
    assert await client.create(SECRETS, SECRET) is None


async def test_what_is_not_there_is_none(client: KubernetesClient) -> None:
    assert await client.get(JOBS, "none") is None
    assert await client.patch(JOBS, "none", {}) is None
    assert await client.log("none", "trainer", limit=10) is None
    await client.delete(PODS, "none", "uid")


async def test_another_object_of_the_same_name_is_not_deleted(
    world: KubernetesWorld, client: KubernetesClient
) -> None:
    await client.create(SECRETS, SECRET)
    await client.delete(SECRETS, "one", "uid-of-an-earlier-one")
    assert len(world.cluster.all("secrets")) == 1


async def test_the_content_of_secrets_is_not_read_to_list_them(
    client: KubernetesClient,
) -> None:
    await client.create(SECRETS, SECRET | {"stringData": {"token": "secret"}})
    [secret] = await client.find(SECRETS, is_metadata_only=True)
    assert "secret" not in str(secret.get("stringData", ""))
    assert secret["metadata"]["name"] == "one"


async def test_credentials_that_expired_are_read_anew(
    world: KubernetesWorld, client: KubernetesClient
) -> None:
    world.server.token = "newer"
    with pytest.raises(ExecutorError, match="401"):
        await client.find(JOBS)
    world.kubeconfig.write_text(world.server.kubeconfig("newer"))
    assert await client.find(JOBS) == []


async def test_without_a_cluster_there_is_a_clear_error(
    world: KubernetesWorld, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    with pytest.raises(ExecutorError, match="no Kubernetes cluster is set up"):
        await world.client()


async def test_in_a_pod_the_service_account_is_used(
    world: KubernetesWorld, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("KUBECONFIG")
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "127.0.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", str(world.server.port))
    with pytest.raises(ExecutorError, match="Service token file does not exist"):
        await world.client(tmp_path)
