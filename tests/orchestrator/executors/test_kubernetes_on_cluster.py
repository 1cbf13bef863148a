"""The executor on a real cluster, in a namespace of its own that keeps *restricted* pods.

The image of trainers must be known to the cluster (`KAFKA_ML_TRAINER_IMAGE`); scripts take
the place of what it runs.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from kafkaml.backoff import is_set_within
from kafkaml.schemas.deployments import Resources
from kafkaml.schemas.workloads import Phase, Workload, WorkloadKind
from orchestrator.builders.manifests import ManifestBuilder
from orchestrator.config import Settings
from orchestrator.exceptions import UnknownReplicaError
from orchestrator.executors.base import MAX_LOG_BYTES, Replica
from orchestrator.executors.kubernetes.client import KubernetesClient
from orchestrator.executors.kubernetes.connection import SERVICE_ACCOUNT, Call, Connection
from orchestrator.executors.kubernetes.executor import KubernetesExecutor
from orchestrator.executors.kubernetes.resources import (
    DEPLOYMENTS,
    JOBS,
    OWNERS,
    PODS,
    SECRETS,
    SERVICES,
    Resource,
)

from ..builders import workload  # noqa: TID252 - tests of one package

pytestmark = [pytest.mark.kubernetes, pytest.mark.xdist_group("kubernetes-executor")]

PATIENCE = timedelta(seconds=90)
GRACE = timedelta(seconds=5)
SMALL = Resources(cpu="50m", memory="64Mi")
TRAINING = workload().model_copy(update={"resources": SMALL})
INFERENCE = workload(WorkloadKind.INFERENCE, replicas=2).model_copy(
    update={"resources": SMALL}
)
POLITE = """
import signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
print("ready")
time.sleep(600)
"""
SERVING = """
import http.server, signal, sys
signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/die":
            print("died"); sys.stdout.flush()
            import os; os._exit(7)
        self.send_response(200); self.end_headers()
    def log_message(self, *_): pass
print("serving")
http.server.ThreadingHTTPServer(("", 8080), Handler).serve_forever()
"""


class ScriptManifests(ManifestBuilder):
    """Builds manifests whose container runs the script in its environment."""

    def job(self, workload: Workload, environment: Mapping[str, str]) -> dict[str, Any]:
        return _with_script(super().job(workload, environment))

    def inference(
        self, workload: Workload, environment: Mapping[str, str]
    ) -> dict[str, Any]:
        return _with_script(super().inference(workload, environment))


def _with_script(manifest: dict[str, Any]) -> dict[str, Any]:
    [container] = manifest["spec"]["template"]["spec"]["containers"]
    program = "import os; exec(os.environ['SCRIPT'])"
    container["command"] = ["python", "-u", "-c", program]
    return manifest


@dataclass
class Cluster:
    """A namespace, and a client of it."""

    connection: Connection
    client: KubernetesClient
    namespace: str

    async def make(self, path: str, body: dict[str, Any]) -> None:
        answer = await self.connection.ask(Call(method="POST", path=path, body=body))
        answer.to_manifest(f"making {path}")

    async def names(self, *resources: Resource) -> set[str]:
        found = [item for each in resources for item in await self.client.find(each)]
        return {
            item["metadata"]["name"]
            for item in found
            if item["metadata"]["name"].startswith("kafkaml-")
        }


@pytest.fixture
async def cluster() -> AsyncIterator[Cluster]:
    namespace = f"kafka-ml-executor-{uuid4().hex[:8]}"
    opening = Connection.open(service_account=SERVICE_ACCOUNT, time_limit=PATIENCE)
    async with opening as connection:
        client = KubernetesClient(connection=connection, namespace=namespace)
        made = Cluster(connection, client, namespace)
        labels = {"pod-security.kubernetes.io/enforce": "restricted"}
        metadata = {"name": namespace, "labels": labels}
        await made.make("/api/v1/namespaces", {"metadata": metadata})
        try:
            yield made
        finally:
            path = f"/api/v1/namespaces/{namespace}"
            await connection.ask(Call(method="DELETE", path=path, body={}))


@pytest.fixture
def settings(cluster: Cluster) -> Settings:
    image = Settings().trainer_image
    return Settings(
        kubernetes_namespace=cluster.namespace,
        inferencer_image=image,
        kubernetes_temporary_bytes=2**26,
        stop_grace=GRACE,
    )


@pytest.fixture
def executor(cluster: Cluster, settings: Settings) -> KubernetesExecutor:
    return KubernetesExecutor(
        client=cluster.client, manifests=ScriptManifests(settings=settings)
    )


def script(text: str) -> dict[str, str]:
    return {"KAFKA_ML_TOKEN": "secret-of-the-attempt", "SCRIPT": text}


async def seen(
    executor: KubernetesExecutor, condition: Callable[[Sequence[Replica]], bool]
) -> Sequence[Replica]:
    """Look until what is seen meets a condition."""
    replicas: Sequence[Replica] = []
    try:
        async with asyncio.timeout(PATIENCE.total_seconds()):
            while not condition(replicas := await executor.list()):
                await asyncio.sleep(0.2)
    except TimeoutError:
        pytest.fail(f"it came to this only: {replicas}")
    return sorted(replicas, key=lambda each: each.run)


async def logged(executor: KubernetesExecutor, text: bytes) -> None:
    """Wait until the log of the training is `text`: a pod runs before it prints."""
    async with asyncio.timeout(PATIENCE.total_seconds()):
        while await executor.log(TRAINING.name, 0) != text:
            await asyncio.sleep(0.2)


def run(replicas: Sequence[Replica]) -> bool:
    return bool(replicas) and all(each.phase is Phase.RUNNING for each in replicas)


def have_ended(replicas: Sequence[Replica]) -> bool:
    return bool(replicas) and not any(each.is_running for each in replicas)


def are_gone(replicas: Sequence[Replica]) -> bool:
    return not replicas


@pytest.mark.parametrize(
    ("text", "exit_code", "reason"),
    [
        ("print('done')", 0, None),
        ("print('done'); raise SystemExit(3)", 3, None),
        ("print('done'); x = b'x' * 2**30", 137, "oom"),
    ],
)
async def test_an_end_is_told_with_its_log_and_leaves_nothing(
    cluster: Cluster,
    executor: KubernetesExecutor,
    text: str,
    exit_code: int,
    reason: str | None,
) -> None:
    await executor.start(TRAINING, 0, script(text))
    [replica] = await seen(executor, have_ended)
    assert (replica.exit_code, replica.reason) == (exit_code, reason)
    assert replica.platform == TRAINING.platform
    assert replica.started_at is not None
    assert replica.exited_at is not None
    assert replica.log_revision != 0
    assert await executor.log(TRAINING.name, 0) == b"done\n"
    await executor.forget(TRAINING.name, 0)
    await seen(executor, are_gone)
    await _has_nothing_left(cluster)


async def test_a_start_may_be_repeated_and_was_cut_short(
    cluster: Cluster, executor: KubernetesExecutor, settings: Settings
) -> None:
    environment = script(POLITE)
    job = ScriptManifests(settings=settings).job(TRAINING, environment)
    assert await cluster.client.create(JOBS, job) is not None
    await asyncio.sleep(2)
    assert not await executor.list()
    for _ in range(2):
        await executor.start(TRAINING, 0, environment)
    [replica] = await seen(executor, run)
    assert replica.replica == 0
    assert len(await cluster.names(PODS)) == 1


async def test_what_is_stopped_has_its_grace_and_is_seen_until_its_end(
    cluster: Cluster, executor: KubernetesExecutor
) -> None:
    stubborn = POLITE.replace("sys.exit(143)", "print('no')")
    await executor.start(TRAINING, 0, script(stubborn))
    await seen(executor, run)
    begin = asyncio.get_running_loop().time()
    await executor.stop(TRAINING.name, 0)
    await seen(executor, are_gone)
    passed = asyncio.get_running_loop().time() - begin
    assert passed >= GRACE.total_seconds() - 1
    await _has_nothing_left(cluster)


async def test_a_drained_pod_is_replaced_within_its_attempt(
    cluster: Cluster, executor: KubernetesExecutor
) -> None:
    await executor.start(TRAINING, 0, script(POLITE))
    await seen(executor, run)
    [pod] = await cluster.names(PODS)
    eviction = {
        "apiVersion": "policy/v1",
        "kind": "Eviction",
        "metadata": {"name": pod, "namespace": cluster.namespace},
    }
    await cluster.make(
        f"/api/v1/namespaces/{cluster.namespace}/pods/{pod}/eviction", eviction
    )
    async with asyncio.timeout(PATIENCE.total_seconds()):
        while pod in (names := await cluster.names(PODS)) or not names:
            assert all(each.is_running for each in await executor.list())
            await asyncio.sleep(0.1)
    [replica] = await seen(executor, run)
    assert replica.name == TRAINING.name


async def test_a_job_deleted_by_hand_is_seen_until_its_pod_has_ended(
    cluster: Cluster, executor: KubernetesExecutor
) -> None:
    await executor.start(TRAINING, 0, script(POLITE.replace("sys.exit(143)", "None")))
    await seen(executor, run)
    job = await cluster.client.get(JOBS, TRAINING.name)
    assert job is not None
    await cluster.client.delete(JOBS, TRAINING.name, job["metadata"]["uid"])
    assert await executor.list()
    await seen(executor, are_gone)
    assert not await cluster.names(PODS)


async def test_a_pod_deleted_by_hand_is_an_end(
    cluster: Cluster, executor: KubernetesExecutor
) -> None:
    await executor.start(TRAINING, 0, script(POLITE))
    await seen(executor, run)
    await logged(executor, b"ready\n")
    [pod] = await cluster.client.find(PODS)
    metadata = pod["metadata"]
    await cluster.client.delete(PODS, metadata["name"], metadata["uid"])
    [replica] = await seen(executor, have_ended)
    assert replica.exit_code in {143, None}
    await executor.forget(TRAINING.name, 0)
    await seen(executor, are_gone)


async def test_an_inference_serves_is_scaled_and_is_removed(
    cluster: Cluster, executor: KubernetesExecutor
) -> None:
    await executor.start(INFERENCE, 0, script(SERVING))
    replicas = await seen(executor, lambda them: sum(each.is_ready for each in them) == 2)
    assert [(each.replica, each.size) for each in replicas] == [(0, 2), (1, 2)]
    pods = await cluster.names(PODS)
    await executor.start(INFERENCE.model_copy(update={"replicas": 3}), 0, script(SERVING))
    await seen(executor, lambda them: sum(each.is_ready for each in them) == 3)
    assert pods < await cluster.names(PODS)
    await executor.start(INFERENCE.model_copy(update={"replicas": 1}), 0, script(SERVING))
    [replica] = await seen(executor, lambda them: len(them) == 1)
    assert (replica.size, replica.is_ready) == (1, True)
    assert await executor.log(INFERENCE.name, replica.replica) == b"serving\n"
    await executor.stop(INFERENCE.name, 0)
    await seen(executor, are_gone)
    await _has_nothing_left(cluster)


async def test_the_log_of_a_restarted_replica_has_what_it_said_last(
    cluster: Cluster, executor: KubernetesExecutor
) -> None:
    one = INFERENCE.model_copy(update={"replicas": 1})
    text = "import os\nif not os.path.exists('/tmp/x'):\n"
    text += "    open('/tmp/x', 'w').close(); print('broke'); os._exit(7)\n"
    await executor.start(one, 0, script(text + SERVING))
    [replica] = await seen(executor, lambda them: any(each.is_ready for each in them))
    assert (replica.starts, replica.restarts) == (2, 1)
    assert await executor.log(one.name, 0) == b"broke\nserving\n"
    assert cluster.namespace


async def test_of_a_long_log_the_newest_part_is_read(executor: KubernetesExecutor) -> None:
    text = (
        "import sys\nfor n in range(60_000): sys.stdout.write(f'{n:06d} {\"x\" * 100}\\n')"
    )
    await executor.start(TRAINING, 0, script(text))
    await seen(executor, have_ended)
    log = await executor.log(TRAINING.name, 0)
    assert MAX_LOG_BYTES - 200 < len(log) <= MAX_LOG_BYTES
    assert log.endswith(b"059999 " + b"x" * 100 + b"\n")
    assert log.startswith(b"0")


async def test_a_quota_that_is_full_is_waited_for(
    cluster: Cluster, executor: KubernetesExecutor
) -> None:
    quota = {"metadata": {"name": "pods"}, "spec": {"hard": {"pods": "1"}}}
    await cluster.make(f"/api/v1/namespaces/{cluster.namespace}/resourcequotas", quota)
    second = TRAINING.model_copy(update={"name": "kafkaml-training-2-1", "id": 2})
    await executor.start(TRAINING, 0, script(POLITE))
    await seen(executor, run)
    await executor.start(second, 0, script(POLITE))
    replicas = await seen(executor, lambda them: any(each.message for each in them))
    assert [each.phase for each in replicas] == [Phase.RUNNING, Phase.PENDING]
    assert "quota" in replicas[1].message


async def test_resources_that_no_node_has_are_named(executor: KubernetesExecutor) -> None:
    huge = Resources(cpu="1", memory="9000Gi")
    await executor.start(TRAINING.model_copy(update={"resources": huge}), 0, script(POLITE))
    [replica] = await seen(
        executor, lambda them: any(each.phase is Phase.BLOCKED for each in them)
    )
    assert replica.reason == "unschedulable"
    assert "memory" in replica.message


async def test_an_image_that_is_missing_is_named(
    cluster: Cluster, settings: Settings
) -> None:
    missing = settings.model_copy(update={"trainer_image": "kafka-ml-test/none:0"})
    executor = KubernetesExecutor(
        client=cluster.client, manifests=ScriptManifests(settings=missing)
    )
    await executor.start(TRAINING, 0, script(POLITE))
    [replica] = await seen(
        executor, lambda them: any("kafka-ml-test/none:0" in each.message for each in them)
    )
    assert replica.is_running


async def test_a_watch_wakes_when_a_training_ends(executor: KubernetesExecutor) -> None:
    wake, stop = asyncio.Event(), asyncio.Event()
    watching = asyncio.create_task(executor.watcher(wake).run(stop))
    try:
        await executor.start(TRAINING, 0, script("import time; time.sleep(4)"))
        await seen(executor, run)
        await asyncio.sleep(1)
        wake.clear()
        assert await is_set_within(wake, 10)
        await seen(executor, have_ended)
    finally:
        watching.cancel()
        await asyncio.wait({watching}, timeout=5)


async def test_nothing_is_known_of_what_never_was(executor: KubernetesExecutor) -> None:
    await executor.stop(TRAINING.name, 0)
    await executor.forget(TRAINING.name, 0)
    with pytest.raises(UnknownReplicaError):
        await executor.log(TRAINING.name, 0)


async def _has_nothing_left(cluster: Cluster) -> None:
    async with asyncio.timeout(PATIENCE.total_seconds()):
        while await cluster.names(*OWNERS, DEPLOYMENTS, PODS, SECRETS, SERVICES):
            await asyncio.sleep(0.2)
