"""Whatever happens to the cluster: what is wanted runs, or its end has a name."""

import random
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest

from kafkaml.schemas.workloads import Observation, Phase, WorkloadKind
from orchestrator.reconcile import Reconciler

from ..builders import workload  # noqa: TID252 - tests of one package
from .fake_kubernetes import Manifest
from .fake_kubernetes_server import Fault
from .kubernetes_world import ENVIRONMENT, KubernetesWorld, kubernetes_world

TRAINING = workload()
SECOND = workload(attempt=2)
INFERENCE = workload(WorkloadKind.INFERENCE, replicas=2)

FAULTS = {
    "500": Fault(status=500),
    "409": Fault(status=409, reason="Conflict"),
    "410": Fault(status=410, reason="Expired"),
    "429": Fault(status=429, reason="TooManyRequests", headers={"Retry-After": "1"}),
    "lost": Fault(is_lost=True),
    "hang": Fault(hangs=True),
}
CALLS = [
    ("GET", "jobs"),
    ("GET", "pods"),
    ("GET", "secrets"),
    ("POST", "jobs"),
    ("POST", "secrets"),
    ("POST", "deployments"),
    ("POST", "services"),
    ("DELETE", "jobs"),
    ("DELETE", "deployments"),
]


@pytest.fixture
async def world(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[KubernetesWorld]:
    async with kubernetes_world(tmp_path, monkeypatch) as made:
        yield made


@pytest.fixture
async def orchestrator(world: KubernetesWorld) -> Reconciler:
    return await world.orchestrator()


async def running_pod(world: KubernetesWorld, orchestrator: Reconciler) -> Manifest:
    """Let the training start, and return its pod."""
    world.api.want(TRAINING)
    await world.passes(orchestrator, number=2)
    [pod] = world.cluster.running(TRAINING.name)
    return pod


def the_end(world: KubernetesWorld) -> Observation:
    """Return the only end that the API was told of."""
    [end] = [
        observation
        for _, observation in world.api.observations
        if observation.phase in {Phase.EXITED, Phase.BLOCKED}
    ]
    return end


async def test_a_training_runs_once_and_leaves_nothing(
    world: KubernetesWorld, orchestrator: Reconciler
) -> None:
    pod = await running_pod(world, orchestrator)
    world.cluster.logs[pod["metadata"]["name"]] = b"epoch 1\n"
    world.cluster.end(pod, 0)
    await world.passes(orchestrator, number=4)
    assert (the_end(world).phase, the_end(world).exit_code) == (Phase.EXITED, 0)
    assert world.api.logs[TRAINING.name, 0] == b"epoch 1\n"
    assert not world.leftovers()


async def test_an_inference_is_told_ready_scaled_and_removed(
    world: KubernetesWorld, orchestrator: Reconciler
) -> None:
    world.api.want(INFERENCE)
    await world.passes(orchestrator, number=3)
    assert world.api.serving[INFERENCE.name] == {0, 1}
    world.api.want(INFERENCE.model_copy(update={"replicas": 4}))
    await world.passes(orchestrator, number=3)
    assert world.api.serving[INFERENCE.name] == {0, 1, 2, 3}
    del world.api.workloads[INFERENCE.name]
    await world.passes(orchestrator, number=4)
    assert not world.leftovers()


async def test_a_job_deleted_by_hand_is_made_again_when_its_pod_has_ended(
    world: KubernetesWorld, orchestrator: Reconciler
) -> None:
    await running_pod(world, orchestrator)
    world.cluster.delete("jobs", TRAINING.name)
    await world.passes(orchestrator, number=6)
    assert len(world.cluster.running(TRAINING.name)) == 1
    assert not world.leftovers()


@pytest.mark.parametrize("plural", ["deployments", "secrets"])
async def test_a_part_of_an_inference_deleted_by_hand_is_made_again(
    world: KubernetesWorld, orchestrator: Reconciler, plural: str
) -> None:
    world.api.want(INFERENCE)
    await world.passes(orchestrator, number=3)
    world.cluster.delete(plural, INFERENCE.name)
    await world.passes(orchestrator, number=6)
    assert world.cluster.get(plural, INFERENCE.name) is not None
    assert world.api.serving[INFERENCE.name] == {0, 1}
    assert len(world.cluster.running(INFERENCE.name)) == 2


async def test_a_pod_deleted_by_hand_costs_an_attempt(
    world: KubernetesWorld, orchestrator: Reconciler
) -> None:
    pod = await running_pod(world, orchestrator)
    world.cluster.delete("pods", pod["metadata"]["name"])
    await world.passes(orchestrator, number=6)
    assert the_end(world).exit_code is None
    assert [_name(pod) for pod in world.cluster.running()] == [SECOND.name]
    assert not world.leftovers()


async def test_too_much_memory_is_named(
    world: KubernetesWorld, orchestrator: Reconciler
) -> None:
    world.cluster.end(await running_pod(world, orchestrator), 137, "OOMKilled")
    await world.passes(orchestrator, number=4)
    assert the_end(world).reason == "oom"
    assert "memory" in the_end(world).message
    assert not world.leftovers()


async def test_a_drained_node_costs_no_attempt(
    world: KubernetesWorld, orchestrator: Reconciler
) -> None:
    pod = await running_pod(world, orchestrator)
    world.cluster.evict(pod)
    await world.passes(orchestrator, number=4)
    [other] = world.cluster.running(TRAINING.name)
    assert other["metadata"]["uid"] != pod["metadata"]["uid"]
    assert len(world.api.tokens) == 1
    assert not [it for it in world.api.observations if it[1].phase is Phase.EXITED]


async def test_an_image_that_is_missing_is_named(
    world: KubernetesWorld, orchestrator: Reconciler
) -> None:
    world.cluster.images = {"another"}
    world.api.want(TRAINING)
    await world.passes(orchestrator, number=2)
    world.clock.advance(timedelta(minutes=15))
    await world.passes(orchestrator, number=6)
    assert (the_end(world).phase, the_end(world).reason) == (Phase.BLOCKED, "image")
    assert not world.leftovers()


async def test_resources_that_no_node_has_are_named(
    world: KubernetesWorld, orchestrator: Reconciler
) -> None:
    world.api.want(workload(memory="900Gi"))
    await world.passes(orchestrator, number=2)
    world.clock.advance(timedelta(minutes=15))
    await world.passes(orchestrator, number=6)
    assert (the_end(world).phase, the_end(world).reason) == (
        Phase.BLOCKED,
        "unschedulable",
    )
    assert not world.leftovers()


async def test_a_full_quota_is_waited_for(
    world: KubernetesWorld, orchestrator: Reconciler
) -> None:
    world.cluster.pod_quota = 1
    world.api.want(TRAINING)
    await world.passes(orchestrator, number=2)
    world.api.want(workload(number=2))
    await world.passes(orchestrator, number=10)
    assert "quota" in world.api.notices[workload(number=2).name]
    world.cluster.end(world.cluster.running()[0], 0)
    await world.passes(orchestrator, number=8)
    assert [_name(pod) for pod in world.cluster.running()] == [workload(number=2).name]
    assert workload(number=2).name not in world.api.notices


async def test_a_quota_that_is_too_small_is_named(
    world: KubernetesWorld, orchestrator: Reconciler
) -> None:
    world.cluster.pod_quota = 0
    world.api.want(TRAINING)
    await world.passes(orchestrator, number=10)
    assert (the_end(world).phase, the_end(world).reason) == (Phase.BLOCKED, "quota")
    assert not world.leftovers()


async def test_a_quota_of_objects_that_is_full_is_waited_for_however_long(
    world: KubernetesWorld, orchestrator: Reconciler
) -> None:
    world.server.job_quota = 1
    pod = await running_pod(world, orchestrator)
    world.api.want(workload(number=2))
    await world.passes(orchestrator, number=200)
    assert "quota" in world.api.notices[workload(number=2).name]
    world.cluster.end(pod, 0)
    await world.passes(orchestrator, number=60)
    assert [_name(pod) for pod in world.cluster.running()] == [workload(number=2).name]


async def test_a_fault_of_the_cluster_is_waited_for_however_long(
    world: KubernetesWorld, orchestrator: Reconciler
) -> None:
    world.server.faults = [Fault("POST", "jobs", times=10_000)]
    world.api.want(TRAINING)
    await world.passes(orchestrator, number=200)
    assert "a fault was injected" in world.api.notices[TRAINING.name]
    world.server.faults.clear()
    await world.passes(orchestrator, number=60)
    assert len(world.cluster.running(TRAINING.name)) == 1
    assert TRAINING.name not in world.api.notices


async def test_what_may_not_be_made_is_named_after_a_while(
    world: KubernetesWorld, orchestrator: Reconciler
) -> None:
    forbidden = Fault("POST", "jobs", status=403, reason="Forbidden", times=10_000)
    world.server.faults = [forbidden]
    world.api.want(TRAINING)
    await world.passes(orchestrator, number=20)
    assert TRAINING.name in world.api.workloads
    await world.passes(orchestrator, number=150)
    assert (the_end(world).phase, the_end(world).reason) == (Phase.BLOCKED, "platform")


async def test_with_the_api_server_away_nothing_is_lost(
    world: KubernetesWorld, orchestrator: Reconciler
) -> None:
    pod = await running_pod(world, orchestrator)
    await world.server.stop()
    world.api.want(INFERENCE)
    world.cluster.end(pod, 0)
    await world.passes(orchestrator, number=30)
    assert world.failed_passes == 30
    await world.server.start()
    await world.passes(orchestrator, number=6)
    assert the_end(world).exit_code == 0
    assert world.api.serving[INFERENCE.name] == {0, 1}
    assert not world.leftovers()


@pytest.mark.parametrize("plural", ["jobs", "secrets", "deployments", "services"])
async def test_a_new_orchestrator_goes_on_where_one_was_killed(
    world: KubernetesWorld, orchestrator: Reconciler, plural: str
) -> None:
    world.server.faults = [Fault("POST", plural, is_lost=True)]
    world.api.want(TRAINING)
    world.api.want(INFERENCE)
    await world.passes(orchestrator)
    await world.passes(await world.orchestrator(), number=4)
    assert len(world.cluster.running(TRAINING.name)) == 1
    assert world.api.serving[INFERENCE.name] == {0, 1}
    assert not world.api.workloads.keys() - {TRAINING.name, INFERENCE.name}


async def test_what_a_killed_orchestrator_began_is_removed_if_it_is_not_wanted(
    world: KubernetesWorld, orchestrator: Reconciler
) -> None:
    world.server.faults = [
        Fault("POST", plural, is_lost=True) for plural in ("jobs", "deployments")
    ]
    world.api.want(TRAINING)
    world.api.want(INFERENCE)
    await world.passes(orchestrator)
    world.api.workloads.clear()
    another = await world.orchestrator()
    await world.passes(another, number=4)
    world.clock.advance(timedelta(minutes=6))
    await world.passes(another, number=6)
    assert not world.leftovers()


async def test_two_orchestrators_do_what_one_does(
    world: KubernetesWorld, orchestrator: Reconciler
) -> None:
    both = orchestrator, await world.orchestrator()
    world.api.want(TRAINING)
    world.api.want(INFERENCE)
    await world.passes(*both, number=4)
    assert len(world.cluster.running()) == 3
    world.cluster.end(world.cluster.running(TRAINING.name)[0], 5)
    await world.passes(*both, number=6)
    assert [_name(pod) for pod in world.cluster.running(SECOND.name)] == [SECOND.name]
    world.api.workloads.clear()
    await world.passes(*both, number=6)
    assert not world.leftovers()


async def test_what_another_database_left_is_removed_before_ours_starts(
    world: KubernetesWorld, orchestrator: Reconciler
) -> None:
    executor = await world.executor()
    platform = {"platform": uuid4()}
    for theirs in (TRAINING, INFERENCE, workload(number=9)):
        await executor.start(theirs.model_copy(update=platform), 0, ENVIRONMENT)
    world.cluster.turn()
    world.cluster.end(world.cluster.running(TRAINING.name)[0], 3)
    world.api.want(TRAINING)
    world.api.want(INFERENCE)
    await world.passes(orchestrator, number=8)
    assert not [it for it in world.api.observations if it[1].phase is Phase.EXITED]
    assert world.api.serving[INFERENCE.name] == {0, 1}
    assert len(world.cluster.running()) == 3
    assert not world.leftovers()
    ours = {str(TRAINING.platform)}
    assert {
        it["metadata"]["labels"]["kafka-ml/platform"] for it in world.cluster.pods()
    } == ours


@pytest.mark.parametrize("call", CALLS, ids=" ".join)
@pytest.mark.parametrize("name", FAULTS)
async def test_a_call_that_fails_costs_time_only(
    world: KubernetesWorld, call: tuple[str, str], name: str
) -> None:
    if name == "hang":
        world.time_limit = timedelta(seconds=0.5)
    orchestrator = await world.orchestrator()
    method, plural = call
    world.server.faults = [replace(FAULTS[name], method=method, plural=plural)]
    world.api.want(TRAINING)
    world.api.want(INFERENCE)
    await world.passes(orchestrator, number=8)
    assert world.api.serving[INFERENCE.name] == {0, 1}
    [pod] = world.cluster.running(TRAINING.name)
    world.cluster.end(pod, 0)
    world.api.workloads.pop(INFERENCE.name)
    await world.passes(orchestrator, number=10)
    assert the_end(world).exit_code == 0
    assert not world.leftovers()
    assert world.server.faults[0].times == 0


@pytest.mark.parametrize("seed", range(6))
async def test_after_any_sequence_of_faults_what_is_wanted_runs(
    world: KubernetesWorld, seed: int
) -> None:
    chance = random.Random(seed)
    orchestrators = [await world.orchestrator(), await world.orchestrator()]
    for step in range(40):
        _disturb(world, chance, step)
        if chance.random() < 0.1:
            orchestrators[chance.randrange(2)] = await world.orchestrator()
        await world.passes(*orchestrators)
    world.server.faults.clear()
    world.cluster.stuck.clear()
    world.clock.advance(timedelta(minutes=6))
    await world.passes(*orchestrators, number=10)
    assert {_name(pod) for pod in world.cluster.running()} == set(world.api.workloads)
    assert not world.leftovers()


def _disturb(world: KubernetesWorld, chance: random.Random, step: int) -> None:
    """Let one thing happen, of those that do happen."""
    running = world.cluster.running()
    owners = [*world.cluster.all("jobs"), *world.cluster.all("deployments")]
    match chance.choice(
        ["want", "drop", "end", "kill", "evict", "stick", "delete", "fault"]
    ):
        case "want":
            replicas = chance.choice([1, 2, 3])
            world.api.want(workload(WorkloadKind.TRAINING, step + 1))
            world.api.want(workload(WorkloadKind.INFERENCE, step + 1, replicas=replicas))
        case "drop" if world.api.workloads:
            del world.api.workloads[chance.choice(sorted(world.api.workloads))]
        case "end" if running:
            world.cluster.end(chance.choice(running), chance.choice([0, 3, 5, 137]))
        case "kill" if running:
            world.cluster.delete("pods", _pod_name(chance.choice(running)))
        case "evict" if running:
            world.cluster.evict(chance.choice(running))
        case "stick" if running:
            world.cluster.stuck = {_pod_name(chance.choice(running))}
        case "delete" if owners:
            owner = chance.choice(owners)
            plural = "jobs" if owner["kind"] == "Job" else "deployments"
            world.cluster.delete(plural, owner["metadata"]["name"])
        case "fault":
            method, plural = chance.choice(CALLS)
            is_lost = chance.random() < 0.5
            fault = Fault(method, plural, is_lost=is_lost, times=chance.randint(1, 3))
            world.server.faults.append(fault)


def _name(pod: Manifest) -> str:
    return str(pod["metadata"]["labels"]["kafka-ml/workload"])


def _pod_name(pod: Manifest) -> str:
    return str(pod["metadata"]["name"])
