import json
from datetime import timedelta
from pathlib import Path

import pytest

from kafkaml.schemas.deployments import Resources
from kafkaml.schemas.workloads import Workload, WorkloadKind
from orchestrator.builders.container import ContainerBuilder
from orchestrator.config import Settings
from orchestrator.executors.base import Run

from .builders import workload

EXPECTED = Path(__file__).parents[1] / "data" / "docker"
SETTINGS = Settings(
    docker_network="kafka-ml",
    docker_temporary_bytes=512 * 2**20,
    trainer_image="kafka-ml/trainer:1",
    trainer_gpu_image="kafka-ml/trainer:1-gpu",
    inferencer_image="kafka-ml/inferencer:1",
    stop_grace=timedelta(seconds=29.5),
)


def with_resources(of: Workload, resources: Resources) -> Workload:
    return of.model_copy(update={"resources": resources})


@pytest.mark.parametrize(
    ("file", "wanted", "run", "restarts"),
    [
        (
            "training.json",
            workload(number=7, attempt=2, cpu_seconds=3660),
            Run("kafkaml-training-7-2", 0, 1),
            0,
        ),
        (
            "gpu_training.json",
            with_resources(workload(), Resources(cpu="4", memory="16G", gpu=2)),
            Run("kafkaml-training-1-1", 0, 1),
            0,
        ),
        (
            "check.json",
            workload(WorkloadKind.CHECK, 3, cpu_seconds=120),
            Run("kafkaml-check-3-1", 0, 1),
            0,
        ),
        (
            "restarted_inference.json",
            with_resources(
                workload(WorkloadKind.INFERENCE, 5, replicas=3),
                Resources(cpu="1500m", memory="512Mi"),
            ),
            Run("kafkaml-inference-5-1", 2, 4),
            3,
        ),
    ],
)
def test_it_builds_what_the_file_says(
    file: str, wanted: Workload, run: Run, restarts: int
) -> None:
    environment = {"KAFKA_ML_URL": "http://api:8000", "KAFKA_ML_TOKEN": "theirs"}
    builder = ContainerBuilder(settings=SETTINGS)
    built = builder.build(wanted, environment, run=run, restarts=restarts)
    assert built == json.loads((EXPECTED / file).read_text())


def test_a_gpu_needs_no_image_of_its_own() -> None:
    settings = SETTINGS.model_copy(update={"trainer_gpu_image": None})
    wanted = with_resources(workload(), Resources(gpu=1))
    run = Run(wanted.name, 0, 1)
    built = ContainerBuilder(settings=settings).build(wanted, {}, run=run, restarts=0)
    assert built["Image"] == "kafka-ml/trainer:1"


def test_it_asks_for_no_less_cpu_than_the_engine_knows() -> None:
    wanted = with_resources(workload(), Resources(cpu="1m"))
    run = Run(wanted.name, 0, 1)
    built = ContainerBuilder(settings=SETTINGS).build(wanted, {}, run=run, restarts=0)
    assert built["HostConfig"]["NanoCpus"] == 10_000_000


def test_files_of_a_training_may_take_half_of_its_memory_as_they_count_as_memory() -> None:
    wanted = with_resources(workload(), Resources(memory="800Mi"))
    run = Run(wanted.name, 0, 1)
    built = ContainerBuilder(settings=SETTINGS).build(wanted, {}, run=run, restarts=0)
    assert f"KAFKA_ML_TEMPORARY_BYTES={400 * 2**20}" in built["Env"]


def test_each_start_of_each_replica_in_each_network_has_a_name_of_its_own() -> None:
    runs = [
        Run("kafkaml-inference-1-1", 0, 1),
        Run("kafkaml-inference-1-1", 1, 1),
        Run("kafkaml-inference-1-1", 1, 11),
        Run("kafkaml-inference-1-11", 1, 1),
    ]
    other = SETTINGS.model_copy(update={"docker_network": "other"})
    names = [
        ContainerBuilder(settings=settings).name(run)
        for settings in (SETTINGS, other)
        for run in runs
    ]
    assert len(set(names)) == len(names)
    assert names[1] == "kafka-ml.kafkaml-inference-1-1.1.1"
