"""Each fault heals, or ends in a reason that has a name, within a minute.

Meanwhile no training ever has two live pods, and what is over leaves nothing behind.
"""

from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest

from kafkaml.client import Client
from kafkaml.schemas.states import FailureReason, TrainingState
from kafkaml.schemas.trainings import Training
from tests.e2e.scenarios import CLASSIFIER, unique
from tests.support.waiting import eventually

from .fault_table import FaultTable
from .fault_tools import (
    SOON,
    WAITS,
    Trainings,
    another_pod,
    cordoned,
    delete_pod,
    evict,
    freeze_api_server,
    kill_orchestrators,
    kill_trainer,
    leave_behind,
    orchestrator_with,
    quota,
    without_permission,
)
from .installation import Installation
from .kubectl import WORKLOADS, Manifest, find, kubectl
from .pod_watch import PodWatch
from .scenarios import PATIENCE, pods_of, train

AWAY = timedelta(minutes=1)


@pytest.fixture(scope="module")
def table(request: pytest.FixtureRequest) -> Iterator[FaultTable]:
    made = FaultTable()
    yield made
    capture = request.config.pluginmanager.get_plugin("capturemanager")
    assert capture is not None
    with capture.global_and_fixture_disabled():
        print("", *made.lines(), sep="\n")


@pytest.fixture(scope="module")
def watch(platform: Installation) -> Iterator[PodWatch]:
    assert platform.url
    with PodWatch() as watch:
        yield watch


@pytest.fixture(scope="module")
def configuration(platform: Installation) -> int:
    """A configuration of one valid model."""
    name = unique("faults")
    with Client(url=platform.url, token=platform.token) as client:
        model = client.models.create(name=name, source=CLASSIFIER)
        client.models.wait_checked(model.id, timeout=PATIENCE)
        return client.configurations.create(name=name, model_ids=[model.id]).id


@pytest.fixture
def trainings(client: Client, configuration: int, watch: PodWatch) -> Iterator[Trainings]:
    """Trainings that leave nothing behind, and never had two live pods."""
    made = Trainings(client, configuration)
    yield made
    made.stop_all()
    assert watch.overlaps() == []


Break = Callable[[Manifest], None]


def delete_job(pod: Manifest) -> None:
    name = pod["metadata"]["labels"]["kafka-ml/workload"]
    kubectl("delete", "job", name, "--namespace", WORKLOADS, "--wait=false")


def delete_by_force(pod: Manifest) -> None:
    delete_pod(pod, "--force", "--grace-period=0")


@pytest.mark.parametrize(
    ("fault", "break_"),
    [
        ("Job deleted by hand", delete_job),
        ("pod deleted", delete_pod),
        ("pod deleted by force", delete_by_force),
        ("trainer killed (SIGKILL)", kill_trainer),
    ],
)
def test_what_ends_a_pod_is_healed(
    table: FaultTable, trainings: Trainings, fault: str, break_: Break
) -> None:
    training, pod = trainings.start_running()
    with table.fault(fault) as row:
        break_(pod)
        another_pod(training, pod)
        row.end(f"heals: attempt {trainings.get(training).attempt} runs")


def test_a_drained_node_gives_the_same_attempt_another_place(
    table: FaultTable, trainings: Trainings
) -> None:
    training, pod = trainings.start_running()
    with table.fault("node cordoned and drained, then uncordoned") as row:
        with cordoned(pod["spec"]["nodeName"]):
            evict(pod)
            notice = eventually(lambda: trainings.get(training).notice, SOON)
        another_pod(training, pod)
        assert trainings.get(training).attempt == 1
        row.end(f"heals: attempt 1 runs; meanwhile: {notice}")


def fails(trainings: Trainings, training: Training, reason: FailureReason) -> str:
    """Wait until a training has failed for a reason; return what it says."""

    def attempt() -> Training | None:
        found = trainings.get(training)
        return found if found.state.is_final else None

    failure = eventually(attempt, SOON).failure
    assert failure is not None
    assert failure.reason is reason, failure.message
    return f"{reason}: {failure.message}"


@pytest.mark.parametrize(
    ("fault", "memory"),
    [("pod out of memory", "64Mi"), ("model's process out of memory", "150Mi")],
)
def test_too_little_memory_is_said(
    table: FaultTable, trainings: Trainings, fault: str, memory: str
) -> None:
    with table.fault(fault) as row:
        training = trainings.start({"cpu": "500m", "memory": memory})
        row.end(fails(trainings, training, FailureReason.OOM))


def test_what_fits_nowhere_is_given_up(table: FaultTable, trainings: Trainings) -> None:
    with table.fault("resources that never fit") as row:
        training = trainings.start({"cpu": "100", "memory": "128Mi"})
        row.end(fails(trainings, training, FailureReason.UNSCHEDULABLE))


def test_a_missing_image_is_said(table: FaultTable, trainings: Trainings) -> None:
    missing = orchestrator_with("KAFKA_ML_TRAINER_IMAGE", "kafka-ml/trainer:missing")
    with missing, table.fault("image missing") as row:
        training = trainings.start()
        row.end(fails(trainings, training, FailureReason.IMAGE))


def test_a_full_quota_is_waited_for(table: FaultTable, trainings: Trainings) -> None:
    first, _ = trainings.start_running()
    full = quota(pods=str(len(find(WORKLOADS, "pods", "kafka-ml/id"))))
    with full, table.fault("quota full, until room is made") as row:
        second = trainings.start()
        notice = eventually(lambda: trainings.get(second).notice, SOON)
        assert "quota" in notice
        row.begin()
        trainings.client.trainings.stop(first.id)
        another_pod(second, {"metadata": {"uid": ""}})
        row.end(f"heals: attempt 1 runs; meanwhile: {notice}")


def test_more_than_the_quota_is_given_up(table: FaultTable, trainings: Trainings) -> None:
    with quota(limits_memory="4Gi"), table.fault("request above the quota") as row:
        training = trainings.start({"cpu": "500m", "memory": "5Gi"})
        row.end(fails(trainings, training, FailureReason.QUOTA))


def jobs_of(training: Training) -> list[Manifest]:
    labels = f"kafka-ml/id={training.id},app.kubernetes.io/component=training"
    return find(WORKLOADS, "jobs", labels)


def all_started(trainings: list[Training]) -> bool | None:
    """Tell whether each has a Job, a Secret and a pod."""
    labels = "app.kubernetes.io/component=training"
    found = find(WORKLOADS, "jobs,secrets,pods", labels)
    kinds = {(each["metadata"]["labels"]["kafka-ml/id"], each["kind"]) for each in found}
    wanted = {(str(each.id), kind) for each in trainings for kind in KINDS}
    return wanted <= kinds or None


KINDS = ("Job", "Secret", "Pod")


def test_an_orchestrator_that_dies_while_it_starts_things_starts_them_once(
    table: FaultTable, trainings: Trainings, watch: PodWatch
) -> None:
    started = []
    for _ in range(4):
        burst = [trainings.start(WAITS) for _ in range(3)]
        eventually(lambda burst=burst: any(map(jobs_of, burst)) or None, SOON)  # type: ignore[misc]
        kill_orchestrators()
        started += burst
    with table.fault("orchestrator killed 4 times amid 12 starts") as row:
        eventually(lambda: all_started(started), SOON)
        once = [len(watch.pods_of_training(each.id)) for each in started]
        assert once == [1] * len(started)
        row.end("heals: each is started once")


def test_an_orchestrator_that_dies_between_a_job_and_its_secret_is_made_up_for(
    table: FaultTable, trainings: Trainings, watch: PodWatch
) -> None:
    with without_permission("create", "secrets"):
        training = trainings.start()
        eventually(lambda: jobs_of(training) or None, SOON)
        kill_orchestrators()
        assert not all_started([training])
    with table.fault("orchestrator killed between a Job and its Secret") as row:
        another_pod(training, {"metadata": {"uid": ""}})
        assert all_started([training])
        assert trainings.get(training).attempt == 1
        assert len(watch.pods_of_training(training.id)) == 1
        row.end("heals: attempt 1 runs")


def test_two_orchestrators_start_everything_once(
    table: FaultTable, platform: Installation, trainings: Trainings, watch: PodWatch
) -> None:
    platform.scale("orchestrator", 2)
    try:
        with table.fault("two orchestrators, 12 trainings") as row:
            started = [trainings.start(WAITS) for _ in range(12)]
            eventually(lambda: all_started(started), SOON)
            assert [len(jobs_of(each)) for each in started] == [1] * len(started)
            once = [len(watch.pods_of_training(each.id)) for each in started]
            assert once == [1] * len(started)
            row.end("each is started once")
        trainings.stop_all()
    finally:
        platform.scale("orchestrator", 1)


def test_leftovers_of_another_database_make_way(
    table: FaultTable, platform: Installation, trainings: Trainings
) -> None:
    last = trainings.start(WAITS).id
    (container,) = platform.pods("api")[0]["spec"]["containers"]
    old = {
        leave_behind(f"kafkaml-training-{last + n}-1", container, with_secret=n == 1)
        for n in (1, 2)
    }
    with table.fault("names taken by leftovers of an older database") as row:
        started = [trainings.start(), trainings.start()]
        assert [each.id - last for each in started] == [1, 2]

        def replaced() -> bool | None:
            owners = [job["metadata"]["uid"] for each in started for job in jobs_of(each)]
            return (len(owners) == 2 and not old & set(owners)) or None

        eventually(replaced, SOON)
        another_pod(started[0], {"metadata": {"uid": ""}})
        row.end("heals: they are removed, and attempt 1 runs")


def test_an_api_server_that_answers_nobody_for_a_minute_changes_nothing(
    table: FaultTable, platform: Installation, trainings: Trainings
) -> None:
    kept, pod = trainings.start_running()
    lost, victim = trainings.start_running()
    (before,) = platform.pods("orchestrator")
    with table.fault("API server frozen for a minute, a trainer killed meanwhile") as row:
        freeze_api_server(AWAY, victim=victim)
        row.begin()
        another_pod(lost, victim)
        (same,) = pods_of("training", kept.id)
        assert same["metadata"]["uid"] == pod["metadata"]["uid"]
        (after,) = platform.pods("orchestrator")
        assert after["metadata"]["uid"] == before["metadata"]["uid"]
        assert restarts_of(after) == restarts_of(before), "its loop turns"
        row.end(f"heals: attempt {trainings.get(lost).attempt} runs, others run on")


def restarts_of(pod: Manifest) -> int:
    return sum(each["restartCount"] for each in pod["status"]["containerStatuses"])


def test_after_all_that_a_model_is_trained(
    table: FaultTable, platform: Installation, client: Client
) -> None:
    with table.fault("(afterwards: a whole training)") as row:
        training, _ = train(platform, client)
        assert training.state is TrainingState.FINISHED
        row.end("finished")
