"""The API is away at every point of a training: that costs time, and nothing else."""

import hashlib
import secrets
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from time import monotonic

import asyncpg
import pytest

from kafkaml.client import Client
from kafkaml.config import KafkaSettings
from kafkaml.exceptions import ProblemError
from kafkaml.schemas.attempts import CheckReport, ResultReport
from kafkaml.schemas.deployments import Deployment
from kafkaml.schemas.models import ModelCheck
from kafkaml.schemas.states import ExitCode, TrainingState
from kafkaml.sinks import RawSink
from tests.e2e.scenarios import CLASSIFIER, separable
from tests.integration.api_process import ADMIN, ORCHESTRATOR, ApiServer
from tests.integration.outages import Manner, Outages
from trainer.config import TrainerSettings
from trainer.run import run

OUTAGE_SECONDS = 0.5
PATIENCE = timedelta(minutes=2)
EPOCHS = 4
PLAN: dict[str, list[Manner]] = {
    "GET current": ["before", "after"],
    "POST progress": ["before", "after"],
    "POST epochs": ["before", "after"],
    "PUT checkpoint": ["halfway"],
    "PUT artifact": ["before", "halfway", "after"],
    "POST result": ["before", "halfway", "after"],
}
# A fit that takes some seconds, so that there are checkpoints.
SLOW = CLASSIFIER.replace(
    "model.compile",
    """
import tensorflow as tf
import time

def loss(labels, outputs):
    tf.py_function(lambda: time.sleep(0.03), [], [])
    return keras.losses.sparse_categorical_crossentropy(labels, outputs)

model.compile""",
).replace('"sparse_categorical_crossentropy"', "loss")
CHECK = ModelCheck(
    summary="", input_shapes=[[4]], output_shapes=[[3]], parameter_count=131, loss="mse"
)


@pytest.fixture
def api(postgres_url: str, kafka_bootstrap: str, tmp_path: Path) -> Iterator[ApiServer]:
    server = ApiServer(
        database_url=postgres_url, bootstrap_servers=kafka_bootstrap, folder=tmp_path
    )
    server.migrate()
    with server.running():
        yield server


@pytest.fixture
def settings(tmp_path: Path) -> TrainerSettings:
    folder = tmp_path / "work"
    folder.mkdir()
    return TrainerSettings(work_directory=folder)


def deploy(api: ApiServer, **parameters: object) -> tuple[Deployment, str]:
    """Create a model and a deployment; return it with the token of its training."""
    name = f"away-{secrets.token_hex(4)}"
    with (
        Client(api.url, ADMIN, retry_for=PATIENCE) as client,
        Client(api.url, ORCHESTRATOR, retry_for=PATIENCE) as orchestrator,
    ):
        model = client.models.create(name=name, source=SLOW)
        (check,) = orchestrator.workloads.wanted()
        with Client(api.url, orchestrator.workloads.token(check.name)) as attempt:
            attempt.attempts.check(CheckReport(check=CHECK))
        configuration = client.configurations.create(name=name, model_ids=[model.id])
        deployment = client.deployments.create(configuration.id, **parameters)  # type: ignore[arg-type]
        (training,) = orchestrator.workloads.wanted()
        return deployment, orchestrator.workloads.token(training.name)


def send_stream(bootstrap: str, deployment: Deployment) -> None:
    points, labels = separable(300)
    with RawSink(
        topic=f"away-{secrets.token_hex(4)}",
        deployment_id=deployment.id,
        bootstrap_servers=bootstrap,
        validation_rate=0.2,
        test_rate=0.1,
    ) as sink:
        sink.send_many(points, labels)


async def events_of(postgres_url: str, kind: str) -> int:
    connection = await asyncpg.connect(postgres_url.replace("+asyncpg", ""))
    try:
        count: int = await connection.fetchval(
            "select count(*) from outbox where outbox::text like $1", f"%{kind}%"
        )
    finally:
        await connection.close()
    return count


@pytest.mark.timeout(180)
async def test_outages_at_every_point_cost_time_only(
    api: ApiServer,
    settings: TrainerSettings,
    postgres_url: str,
    kafka_bootstrap: str,
    tmp_path: Path,
) -> None:
    deployment, token = deploy(api, epochs=EPOCHS, batch_size=8, checkpoint_seconds=1)
    send_stream(kafka_bootstrap, deployment)
    outages = Outages(PLAN, seconds=OUTAGE_SECONDS)
    begin = monotonic()
    with Client(api.url, token, retry_for=PATIENCE, transport=outages) as client:
        code = run(
            attempts=client.attempts,
            settings=settings,
            kafka=KafkaSettings(bootstrap_servers=kafka_bootstrap),
        )
        assert code == ExitCode.ACCEPTED
        assert not outages.left
        assert monotonic() - begin > len(outages.begun) * OUTAGE_SECONDS / 2
        with pytest.raises(ProblemError) as refused:
            client.attempts.order()
    assert refused.value.problem.code == "attempt-over"
    (training,) = deployment.trainings
    with Client(api.url, ADMIN) as admin:
        finished = admin.trainings.get(training.id)
        assert finished.state is TrainingState.FINISHED
        assert finished.attempt == 1
        curves = admin.trainings.metrics(training.id)
        assert [each.epoch for each in curves.epochs] == list(range(1, EPOCHS + 1))
        model = admin.trainings.download(training.id, tmp_path / "model.keras")
    assert finished.artifact is not None
    assert hashlib.sha256(model.read_bytes()).hexdigest() == finished.artifact.sha256
    assert await events_of(postgres_url, "training.finished") == 1
    assert not list(settings.work_directory.iterdir())


async def test_of_results_in_parallel_one_is_accepted_and_only_of_the_current_attempt(
    api: ApiServer, postgres_url: str, tmp_path: Path
) -> None:
    deployment, token = deploy(api)
    files = [tmp_path / f"{number}.keras" for number in range(4)]
    for number, file in enumerate(files):
        file.write_bytes(bytes([number]) * 3_000_000)
    barrier = threading.Barrier(len(files))

    def hand_in(file: Path) -> str:
        with Client(api.url, token) as client:
            barrier.wait(30)
            artifact = client.attempts.upload_artifact(file)
            try:
                client.attempts.result(result_of(deployment, artifact.sha256))
            except ProblemError as e:
                return e.problem.code
            return artifact.sha256

    with ThreadPoolExecutor(len(files)) as pool:
        answers = list(pool.map(hand_in, files))
    with Client(api.url, ADMIN) as admin:
        training = admin.trainings.get(deployment.trainings[0].id)
        assert training.artifact is not None
        model = admin.trainings.download(training.id, tmp_path / "model.keras")
    accepted = [each for each in answers if len(each) == 64]
    assert set(accepted) == {training.artifact.sha256}
    assert hashlib.sha256(model.read_bytes()).hexdigest() == training.artifact.sha256
    assert await events_of(postgres_url, "training.finished") == 1


def result_of(deployment: Deployment, digest: str) -> ResultReport:
    parts = ("build", "read", "first_step", "fit", "evaluate", "total")
    return ResultReport.model_validate(
        {
            "artifact_sha256": digest,
            "confusion_matrix": None,
            "result": {
                "training": {"loss": 0.1},
                "test": {},
                "counts": {"training": 8, "validation": 1, "test": 1},
                "timings": dict.fromkeys(parts, 1.0),
                "stream": {
                    "deployment_id": deployment.id,
                    "topic": "digits:0:0:10",
                    "input_format": "RAW",
                    "input_config": {
                        "data_type": "float32",
                        "data_reshape": "4",
                        "label_type": "uint8",
                        "label_reshape": None,
                    },
                    "total_msg": 10,
                },
                "input_shape": [4],
            },
        }
    )
