from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Literal
from uuid import uuid4

import pytest

from kafkaml.schemas.workloads import Phase, WantedTopic, Workload, WorkloadKind
from orchestrator.config import Settings
from orchestrator.exceptions import (
    ExecutorError,
    StartRefusedError,
    StillRunningError,
    UnknownReplicaError,
)
from orchestrator.executors.base import MAX_LOG_BYTES, Replica
from orchestrator.executors.kubernetes.executor import KubernetesExecutor

from ..builders import PLATFORM, workload  # noqa: TID252 - tests of one package
from .fake_kubernetes_server import Fault
from .kubernetes_world import ENVIRONMENT, KubernetesWorld, kubernetes_world

TRAINING = workload()
INFERENCE = workload(WorkloadKind.INFERENCE, replicas=2)


@pytest.fixture
async def world(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[KubernetesWorld]:
    async with kubernetes_world(tmp_path, monkeypatch) as made:
        yield made


@pytest.fixture
async def executor(world: KubernetesWorld) -> KubernetesExecutor:
    return await world.executor()


async def started(
    world: KubernetesWorld, executor: KubernetesExecutor, wanted: Workload = TRAINING
) -> None:
    await executor.start(wanted, 0, ENVIRONMENT)
    world.cluster.turn()


async def seen(executor: KubernetesExecutor) -> list[Replica]:
    return sorted(await executor.list(), key=lambda each: each.run)


async def test_a_training_is_a_job_with_its_secret(
    world: KubernetesWorld, executor: KubernetesExecutor
) -> None:
    await started(world, executor)
    [replica] = await executor.list()
    assert (replica.name, replica.phase, replica.size) == (
        TRAINING.name,
        Phase.RUNNING,
        None,
    )
    assert replica.platform == PLATFORM
    assert replica.started_at == world.clock.now
    [job], [secret] = world.cluster.all("jobs"), world.cluster.all("secrets")
    [reference] = secret["metadata"]["ownerReferences"]
    assert reference["uid"] == job["metadata"]["uid"]
    assert secret["stringData"] == {"KAFKA_ML_TOKEN": ENVIRONMENT["KAFKA_ML_TOKEN"]}
    assert ENVIRONMENT["KAFKA_ML_TOKEN"] not in str([job, *world.cluster.pods()])


async def test_an_inference_is_a_set_with_an_entry_for_each_pod(
    world: KubernetesWorld, executor: KubernetesExecutor
) -> None:
    await started(world, executor, INFERENCE)
    replicas = await seen(executor)
    assert [each.replica for each in replicas] == [0, 1]
    assert {each.size for each in replicas} == {2}
    assert all(each.is_ready for each in replicas)
    for plural in ("deployments", "services", "poddisruptionbudgets", "secrets"):
        assert len(world.cluster.all(plural)) == 1


async def test_a_set_without_a_pod_is_still_seen(
    executor: KubernetesExecutor,
) -> None:
    await executor.start(INFERENCE, 0, ENVIRONMENT)
    [replica] = await executor.list()
    assert (replica.replica, replica.phase, replica.size) == (0, Phase.PENDING, 2)


@pytest.mark.parametrize("kind", ["Deployment", "ReplicationController"])
async def test_the_size_of_a_set_is_corrected(
    world: KubernetesWorld, kind: Literal["Deployment", "ReplicationController"]
) -> None:
    executor = await world.executor(Settings(kubernetes_inference_kind=kind))
    await started(world, executor, INFERENCE)
    before = {pod["metadata"]["uid"] for pod in world.cluster.pods()}
    await started(world, executor, INFERENCE.model_copy(update={"replicas": 3}))
    assert [each.size for each in await executor.list()] == [3, 3, 3]
    assert before < {pod["metadata"]["uid"] for pod in world.cluster.pods()}
    await started(world, executor, INFERENCE.model_copy(update={"replicas": 1}))
    world.cluster.turn()
    assert [each.size for each in await executor.list()] == [1]


async def test_a_set_keeps_its_kind_when_the_setting_changes(
    world: KubernetesWorld, executor: KubernetesExecutor
) -> None:
    await started(world, executor, INFERENCE)
    other = await world.executor(
        Settings(kubernetes_inference_kind="ReplicationController")
    )
    await started(world, other, INFERENCE.model_copy(update={"replicas": 1}))
    assert not world.cluster.all("replicationcontrollers")
    [deployment] = world.cluster.all("deployments")
    assert deployment["spec"]["replicas"] == 1


async def test_keda_may_scale_a_set_within_its_bounds(world: KubernetesWorld) -> None:
    world.server.kinds |= {"scaledobjects"}
    executor = await world.executor(Settings(kubernetes_keda_max_replicas=5))
    wanted = workload(
        WorkloadKind.INFERENCE, replicas=2, topics=[WantedTopic(name="in", partitions=8)]
    )
    await started(world, executor, wanted)
    [deployment] = world.cluster.all("deployments")
    for scaled_by_keda, size in ((5, 2), (2, 2), (6, 6), (1, 1)):
        deployment["spec"]["replicas"] = scaled_by_keda
        assert {each.size for each in await executor.list()} == {size}
    deployment["spec"]["replicas"] = 5
    await started(world, executor, wanted.model_copy(update={"replicas": 3}))
    assert {each.size for each in await executor.list()} == {3}
    assert deployment["spec"]["replicas"] == 5
    [scaled] = world.cluster.all("scaledobjects")
    assert scaled["spec"]["minReplicaCount"] == 3


async def test_without_keda_in_the_cluster_a_start_says_so(world: KubernetesWorld) -> None:
    executor = await world.executor(Settings(kubernetes_keda_max_replicas=5))
    wanted = workload(WorkloadKind.INFERENCE, topics=[WantedTopic(name="in", partitions=8)])
    with pytest.raises(ExecutorError, match="ScaledObject"):
        await executor.start(wanted, 0, ENVIRONMENT)


async def test_a_pod_keeps_its_number_and_a_new_one_takes_the_lowest_free(
    world: KubernetesWorld, executor: KubernetesExecutor
) -> None:
    await started(world, executor, INFERENCE.model_copy(update={"replicas": 3}))
    await executor.list()
    first, second, third = world.cluster.pods()
    world.cluster.logs[third["metadata"]["name"]] = b"third\n"
    world.cluster.delete("pods", second["metadata"]["name"])
    world.cluster.turn()
    world.cluster.logs[world.cluster.pods()[-1]["metadata"]["name"]] = b"fourth\n"
    assert [each.replica for each in await seen(executor)] == [0, 1, 2]
    assert await executor.log(INFERENCE.name, 1) == b"fourth\n"
    assert await executor.log(INFERENCE.name, 2) == b"third\n"
    del first


async def test_a_replica_that_is_being_ended_is_seen_and_not_ready(
    world: KubernetesWorld, executor: KubernetesExecutor
) -> None:
    await started(world, executor, INFERENCE)
    await started(world, executor, INFERENCE.model_copy(update={"replicas": 1}))
    replicas = await seen(executor)
    assert [(each.phase, each.is_ready) for each in replicas] == [
        (Phase.RUNNING, True),
        (Phase.RUNNING, False),
    ]


@pytest.mark.parametrize(
    ("exit_code", "word", "reason"),
    [(0, "", None), (3, "", None), (143, "", None), (137, "OOMKilled", "oom")],
)
async def test_an_end_is_told_with_its_code_and_its_time(
    world: KubernetesWorld,
    executor: KubernetesExecutor,
    exit_code: int,
    word: str,
    reason: str | None,
) -> None:
    await started(world, executor)
    [pod] = world.cluster.pods()
    world.clock.advance()
    world.cluster.end(pod, exit_code, word)
    world.cluster.turn()
    [replica] = await executor.list()
    assert (replica.phase, replica.exit_code, replica.reason) == (
        Phase.EXITED,
        exit_code,
        reason,
    )
    assert replica.exited_at == world.clock.now


async def test_what_has_ended_is_forgotten_with_all_that_belongs_to_it(
    world: KubernetesWorld, executor: KubernetesExecutor
) -> None:
    await started(world, executor)
    with pytest.raises(StillRunningError):
        await executor.forget(TRAINING.name, 0)
    [pod] = world.cluster.pods()
    world.cluster.end(pod, 0)
    world.cluster.turn()
    await executor.list()
    await executor.forget(TRAINING.name, 0)
    world.cluster.turn()
    world.cluster.turn()
    assert not await executor.list()
    assert world.leftovers() == []
    await executor.forget(TRAINING.name, 0)


@pytest.mark.parametrize("wanted", [TRAINING, INFERENCE], ids=["training", "inference"])
async def test_what_is_stopped_is_seen_until_its_pods_have_ended(
    world: KubernetesWorld, executor: KubernetesExecutor, wanted: Workload
) -> None:
    await started(world, executor, wanted)
    await executor.stop(wanted.name, 0)
    replicas = await executor.list()
    assert replicas
    assert all(each.phase is Phase.RUNNING for each in replicas)
    world.cluster.turn()
    world.cluster.turn()
    assert not await executor.list()
    assert world.leftovers() == []
    await executor.stop(wanted.name, 0)


async def test_only_what_was_seen_is_deleted(
    world: KubernetesWorld, executor: KubernetesExecutor
) -> None:
    await started(world, executor)
    await executor.list()
    other = await world.executor()
    await other.stop(TRAINING.name, 0)
    world.cluster.turn()
    world.cluster.turn()
    await started(world, other)
    await executor.stop(TRAINING.name, 0)
    world.cluster.turn()
    world.cluster.turn()
    assert len(world.cluster.running()) == 1


async def test_pods_whose_owner_was_deleted_alone_are_removed(
    world: KubernetesWorld, executor: KubernetesExecutor
) -> None:
    await started(world, executor)
    world.cluster.delete("jobs", TRAINING.name, policy="Orphan")
    [replica] = await executor.list()
    assert replica.phase is Phase.RUNNING
    await executor.stop(TRAINING.name, 0)
    world.cluster.turn()
    assert not world.cluster.pods()


async def test_a_training_whose_pod_does_not_end_blocks_the_next_attempt(
    world: KubernetesWorld, executor: KubernetesExecutor
) -> None:
    await started(world, executor)
    [pod] = world.cluster.pods()
    world.cluster.stuck.add(pod["metadata"]["name"])
    await executor.stop(TRAINING.name, 0)
    for _ in range(5):
        world.cluster.turn()
        [replica] = await executor.list()
        assert replica.is_running


async def test_a_job_has_not_ended_before_its_pod(
    world: KubernetesWorld, executor: KubernetesExecutor
) -> None:
    await started(world, executor)
    [job], [pod] = world.cluster.all("jobs"), world.cluster.pods()
    world.cluster.stuck.add(pod["metadata"]["name"])
    world.cluster.delete("pods", pod["metadata"]["name"])
    job["status"] = {"conditions": [{"type": "Failed", "status": "True"}]}
    [replica] = await executor.list()
    assert replica.is_running
    world.cluster.stuck.clear()
    world.cluster.turn()
    [replica] = await executor.list()
    assert not replica.is_running


async def test_a_start_that_was_cut_short_is_not_seen_and_can_be_made_again(
    world: KubernetesWorld, executor: KubernetesExecutor
) -> None:
    for wanted in (TRAINING, INFERENCE):
        world.server.faults = [Fault("POST", "secrets")]
        with pytest.raises(ExecutorError):
            await executor.start(wanted, 0, ENVIRONMENT)
    world.cluster.turn()
    assert {(each.name, each.size) for each in await executor.list()} == {
        (INFERENCE.name, 0)
    }
    for wanted in (TRAINING, INFERENCE):
        await executor.start(wanted, 0, ENVIRONMENT)
    world.cluster.turn()
    assert len(await executor.list()) == 3
    assert len(world.cluster.running()) == 3


async def test_a_start_that_nobody_takes_up_is_shown_to_be_removed(
    world: KubernetesWorld, executor: KubernetesExecutor
) -> None:
    world.server.faults = [Fault("POST", "secrets")]
    with pytest.raises(ExecutorError):
        await executor.start(TRAINING, 0, ENVIRONMENT)
    world.cluster.turn()
    assert not await executor.list()
    world.clock.advance()
    [replica] = await executor.list()
    assert not replica.is_running
    await executor.forget(TRAINING.name, 0)
    for _ in range(3):
        world.cluster.turn()
    assert world.leftovers() == []


async def test_the_secret_of_an_earlier_start_is_replaced(
    world: KubernetesWorld, executor: KubernetesExecutor
) -> None:
    await executor.start(TRAINING, 0, ENVIRONMENT)
    world.cluster.delete("jobs", TRAINING.name)
    await executor.start(TRAINING, 0, {"KAFKA_ML_TOKEN": "newer"})
    [job], [secret] = world.cluster.all("jobs"), world.cluster.all("secrets")
    assert secret["metadata"]["ownerReferences"][0]["uid"] == job["metadata"]["uid"]
    assert secret["stringData"] == {"KAFKA_ML_TOKEN": "newer"}


async def test_an_object_of_somebody_else_is_left_alone(
    world: KubernetesWorld, executor: KubernetesExecutor
) -> None:
    theirs = {"metadata": {"name": TRAINING.name}, "kind": "Secret"}
    world.cluster.create("secrets", theirs)
    with pytest.raises(ExecutorError, match="somebody else"):
        await executor.start(TRAINING, 0, ENVIRONMENT)
    [secret] = world.cluster.all("secrets")
    assert "labels" not in secret["metadata"]


async def test_a_job_of_another_database_is_not_taken_for_ours(
    world: KubernetesWorld, executor: KubernetesExecutor
) -> None:
    theirs = TRAINING.model_copy(update={"platform": uuid4()})
    await started(world, executor, theirs)
    with pytest.raises(ExecutorError, match="another installation"):
        await executor.start(TRAINING, 0, ENVIRONMENT)
    [replica] = await executor.list()
    assert replica.platform == theirs.platform


async def test_a_job_that_is_being_removed_is_not_taken_for_ours(
    world: KubernetesWorld, executor: KubernetesExecutor
) -> None:
    await started(world, executor)
    [job] = world.cluster.all("jobs")
    job["metadata"]["deletionTimestamp"] = "2030-01-01T00:00:00Z"
    with pytest.raises(ExecutorError, match="still being removed"):
        await executor.start(TRAINING, 0, ENVIRONMENT)


async def test_an_unfinished_job_of_another_database_is_shown_when_in_the_way(
    world: KubernetesWorld, executor: KubernetesExecutor
) -> None:
    theirs = TRAINING.model_copy(update={"platform": uuid4()})
    world.server.faults = [Fault("POST", "secrets")]
    with pytest.raises(ExecutorError):
        await executor.start(theirs, 0, ENVIRONMENT)
    assert not await executor.list()
    with pytest.raises(ExecutorError, match="another installation"):
        await executor.start(TRAINING, 0, ENVIRONMENT)
    [replica] = await executor.list()
    assert replica.platform == theirs.platform


async def test_a_manifest_that_kubernetes_calls_invalid_is_refused_for_good(
    world: KubernetesWorld, executor: KubernetesExecutor
) -> None:
    world.server.faults = [Fault("POST", "jobs", status=422, reason="Invalid")]
    with pytest.raises(StartRefusedError) as refused:
        await executor.start(TRAINING, 0, ENVIRONMENT)
    assert refused.value.reason == "platform"


async def test_a_drained_pod_is_replaced_within_its_attempt(
    world: KubernetesWorld, executor: KubernetesExecutor
) -> None:
    await started(world, executor)
    [pod] = world.cluster.pods()
    world.cluster.stuck.add(pod["metadata"]["name"])
    world.cluster.evict(pod)
    world.cluster.turn()
    [replica] = await executor.list()
    assert replica.is_running
    world.cluster.stuck.clear()
    world.cluster.turn()
    [replica] = await executor.list()
    assert (replica.phase, replica.starts) == (Phase.RUNNING, 1)
    [other] = world.cluster.pods()
    assert other["metadata"]["uid"] != pod["metadata"]["uid"]


async def test_what_waits_is_explained_by_events_and_nodes(
    world: KubernetesWorld, executor: KubernetesExecutor
) -> None:
    await started(world, executor, workload(memory="900Gi"))
    await executor.list()
    asked = {path for _, path in world.server.requests}
    assert not any(path.endswith(("/events", "/nodes")) for path in asked)
    world.clock.advance(timedelta(seconds=5))
    [replica] = await executor.list()
    assert "900 GiB" in replica.message


async def test_what_an_autoscaler_says_keeps_a_pod_from_being_given_up(
    world: KubernetesWorld, executor: KubernetesExecutor
) -> None:
    await started(world, executor, workload(memory="900Gi"))
    [pod] = world.cluster.pods()
    seen = {"firstTimestamp": pod["metadata"]["creationTimestamp"]}
    event = {
        "metadata": {"name": "scaling"},
        "type": "Normal",
        "reason": "TriggeredScaleUp",
    }
    about = {"involvedObject": {"uid": pod["metadata"]["uid"]}}
    world.cluster.create("events", event | about | seen)
    world.clock.advance(timedelta(minutes=2))
    [replica] = await executor.list()
    assert (replica.phase, replica.reason) == (Phase.PENDING, None)
    assert "a node that is being added" in replica.message


async def test_where_nodes_may_not_be_read_the_list_is_good_nevertheless(
    world: KubernetesWorld, executor: KubernetesExecutor
) -> None:
    world.server.faults = [
        Fault("GET", plural, status=403, reason="Forbidden", times=9)
        for plural in ("nodes", "events")
    ]
    await started(world, executor, workload(memory="900Gi"))
    world.clock.advance(timedelta(seconds=5))
    [replica] = await executor.list()
    assert replica.phase is Phase.PENDING


async def test_surroundings_are_not_read_in_each_look(
    world: KubernetesWorld, executor: KubernetesExecutor
) -> None:
    await started(world, executor, workload(memory="900Gi"))
    world.clock.advance(timedelta(seconds=5))
    for _ in range(5):
        await executor.list()
        world.clock.advance(timedelta(seconds=2))
    paths = [path for _, path in world.server.requests if path == "/api/v1/nodes"]
    assert len(paths) == 1


async def test_a_log_is_worth_reading_at_times_while_it_runs_and_once_at_its_end(
    world: KubernetesWorld, executor: KubernetesExecutor
) -> None:
    await started(world, executor)
    [pod] = world.cluster.pods()
    revisions = []
    for _ in range(100):
        [replica] = await executor.list()
        if replica.log_revision not in revisions:
            revisions.append(replica.log_revision)
            await executor.log(TRAINING.name, 0)
        world.clock.advance(timedelta(seconds=2))
    # 200 s of silence: the first two after 10 s, then after 20, 40, 80 s.
    assert len(revisions) == 5
    world.cluster.end(pod, 0)
    world.cluster.turn()
    ends = {each.log_revision for _ in range(5) for each in await executor.list()}
    assert len(ends) == 1
    assert not ends & set(revisions)
    again = await (await world.executor()).list()
    assert {each.log_revision for each in again} == ends


async def test_a_log_that_grows_is_read_each_ten_seconds(
    world: KubernetesWorld, executor: KubernetesExecutor
) -> None:
    await started(world, executor)
    [pod] = world.cluster.pods()
    revisions = set()
    for number in range(50):
        [replica] = await executor.list()
        revisions.add(replica.log_revision)
        world.cluster.logs[pod["metadata"]["name"]] += f"epoch {number}\n".encode()
        await executor.log(TRAINING.name, 0)
        world.clock.advance(timedelta(seconds=2))
    assert len(revisions) == 10


async def test_a_log_that_went_with_its_pod_is_not_asked_for(
    world: KubernetesWorld, executor: KubernetesExecutor
) -> None:
    await started(world, executor)
    [pod] = world.cluster.pods()
    [before] = await executor.list()
    assert await executor.log(TRAINING.name, 0) == b""
    world.cluster.delete("pods", pod["metadata"]["name"])
    world.cluster.turn()
    [after] = await executor.list()
    assert (after.phase, after.log_revision) == (Phase.EXITED, before.log_revision)
    [fresh] = await (await world.executor()).list()
    assert fresh.log_revision == 0


async def test_of_a_log_the_newest_whole_lines_are_returned(
    world: KubernetesWorld, executor: KubernetesExecutor
) -> None:
    await started(world, executor)
    [pod] = world.cluster.pods()
    lines = b"".join(b"%06d %s\n" % (number, b"x" * 200) for number in range(10_000))
    world.cluster.logs[pod["metadata"]["name"]] = lines
    log = await executor.log(TRAINING.name, 0)
    assert MAX_LOG_BYTES - 300 < len(log) <= MAX_LOG_BYTES
    assert lines.endswith(b"\n" + log)


async def test_the_log_of_a_restarted_container_begins_with_the_one_before(
    world: KubernetesWorld, executor: KubernetesExecutor
) -> None:
    await started(world, executor, INFERENCE)
    pod, _ = world.cluster.pods()
    world.cluster.logs[pod["metadata"]["name"]] = b"it broke\n"
    world.cluster.end(pod, 1)
    world.cluster.logs[pod["metadata"]["name"]] = b"once more\n"
    first, _ = await seen(executor)
    assert (first.starts, first.restarts) == (2, 1)
    assert await executor.log(INFERENCE.name, 0) == b"it broke\nonce more\n"


async def test_the_log_of_what_is_not_there_is_an_error(
    executor: KubernetesExecutor,
) -> None:
    with pytest.raises(UnknownReplicaError):
        await executor.log(TRAINING.name, 0)


async def test_a_list_of_many_pages_is_whole(
    world: KubernetesWorld, executor: KubernetesExecutor
) -> None:
    for number in range(7):
        await started(world, executor, workload(number=number + 1))
    assert len(await executor.list()) == 7


async def test_what_is_not_of_workloads_is_not_seen(
    world: KubernetesWorld, executor: KubernetesExecutor
) -> None:
    labels = {"app.kubernetes.io/managed-by": "helm", "kafka-ml/workload": "x"}
    world.cluster.create("jobs", {"metadata": {"name": "x", "labels": labels}, "spec": {}})
    labels = {"app.kubernetes.io/managed-by": "kafka-ml-orchestrator"}
    world.cluster.create("pods", {"metadata": {"name": "y", "labels": labels}})
    assert not await executor.list()
