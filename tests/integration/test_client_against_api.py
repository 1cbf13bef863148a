import base64
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from kafkaml.client import AsyncClient, Client, WatchedEvent
from kafkaml.control import ControlMessage
from kafkaml.events import ModelVersioned
from kafkaml.exceptions import ProblemError, WaitFailedError
from kafkaml.schemas.attempts import (
    CheckReport,
    EpochReport,
    FailureReport,
    ProgressReport,
    ResultReport,
)
from kafkaml.schemas.datasources import DatasourceRecord
from kafkaml.schemas.inferences import Inference
from kafkaml.schemas.models import Model, ModelCheck, ModelError
from kafkaml.schemas.states import (
    FailureReason,
    InferenceState,
    ModelVersionState,
    TrainingState,
)
from kafkaml.schemas.tokens import Scope
from kafkaml.schemas.trainings import ConfusionMatrix, TrainingResult
from kafkaml.schemas.workloads import Observation, Phase, WorkloadKind
from kafkaml_local.postgres import Postgres
from tests.integration.api_process import (
    ADMIN,
    CONTROL_LOGGER,
    ORCHESTRATOR,
    ApiProcess,
    running_api,
)

START = timedelta(seconds=60)

SOURCE = "model = …"
CHECK = ModelCheck(
    summary="", input_shapes=[[8]], output_shapes=[[2]], parameter_count=18, loss="mse"
)
MATRIX = ConfusionMatrix(labels=["0", "1"], matrix=[[1, 0], [0, 1]], part="test")
STREAM = {
    "topic": "digits:0:0:10",
    "input_format": "RAW",
    "input_config": {
        "data_type": "float32",
        "data_reshape": "8",
        "label_type": "uint8",
        "label_reshape": None,
    },
    "total_msg": 10,
}
ARTIFACT = b"keras" * 100_000


@pytest.fixture(scope="module")
def api(
    postgres_server: Postgres,
    kafka_bootstrap: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[ApiProcess]:
    """One API for all tests here: starting it takes longer than they do."""
    database = f"test_{secrets.token_hex(6)}"
    postgres_server.create_database(database)
    with running_api(
        database_url=postgres_server.url(database),
        bootstrap_servers=kafka_bootstrap,
        folder=tmp_path_factory.mktemp("api"),
    ) as process:
        with Client(process.url, ADMIN, retry_for=START) as client:
            client.tokens.current()
        yield process
    postgres_server.drop_database(database)


@pytest.fixture
def client(api: ApiProcess) -> Iterator[Client]:
    with Client(api.url, ADMIN) as client:
        yield client


@pytest.fixture
def orchestrator(api: ApiProcess) -> Iterator[Client]:
    with Client(api.url, ORCHESTRATOR) as client:
        yield client


def any_name() -> str:
    return f"digits-{secrets.token_hex(4)}"


def start(api: ApiProcess, orchestrator: Client, kind: WorkloadKind) -> Client:
    """Return a client with the token of the newest workload of a kind."""
    wanted = [w for w in orchestrator.workloads.wanted() if w.kind is kind]
    newest = max(wanted, key=lambda workload: workload.id)
    return Client(api.url, orchestrator.workloads.token(newest.name))


def create_valid_model(api: ApiProcess, client: Client, orchestrator: Client) -> Model:
    model = client.models.create(name=any_name(), source=SOURCE, description="small")
    with start(api, orchestrator, WorkloadKind.CHECK) as attempt:
        assert attempt.attempts.order().source == SOURCE
        attempt.attempts.check(CheckReport(check=CHECK))
    return client.models.wait_checked(model.id)


def finish_training(api: ApiProcess, orchestrator: Client, folder: Path) -> None:
    model_file = folder / "model.keras"
    model_file.write_bytes(ARTIFACT)
    with start(api, orchestrator, WorkloadKind.TRAINING) as client:
        attempt = client.attempts
        order = attempt.order()
        assert order.training is not None
        attempt.progress(ProgressReport(state="waiting"))
        attempt.progress(ProgressReport(state="training"))
        attempt.epoch(EpochReport(epoch=1, values={"loss": 0.5}))
        attempt.epoch(EpochReport(epoch=2, values={"loss": None}))
        artifact = attempt.upload_artifact(model_file)
        assert artifact.size_bytes == len(ARTIFACT)
        stream = {**STREAM, "deployment_id": order.training.deployment_id}
        report = ResultReport(
            result=result_of(stream),
            confusion_matrix=MATRIX,
            artifact_sha256=artifact.sha256,
        )
        attempt.result(report)
        attempt.result(report)


def result_of(stream: dict[str, object]) -> TrainingResult:
    timings = dict.fromkeys(
        ("build", "read", "first_step", "fit", "evaluate", "total"), 1.0
    )
    return TrainingResult.model_validate(
        {
            "training": {"loss": 0.1},
            "test": {"loss": None},
            "counts": {"training": 8, "validation": 1, "test": 1},
            "timings": timings,
            "stream": stream,
            "input_shape": [8],
        }
    )


def test_a_model_is_designed(api: ApiProcess, client: Client, orchestrator: Client) -> None:
    model = create_valid_model(api, client, orchestrator)
    assert model.version.check == CHECK
    assert client.models.add_version(model.id, SOURCE).number == 1
    assert client.models.add_version(model.id, "model = 2").number == 2
    with start(api, orchestrator, WorkloadKind.CHECK) as attempt:
        attempt.attempts.check(CheckReport(error=ModelError(message="no loss", line=1)))
    with pytest.raises(WaitFailedError, match="line 1: no loss"):
        client.models.wait_checked(model.id)
    assert [each.number for each in client.models.versions(model.id, limit=1)] == [2, 1]
    assert client.models.version(model.id, 1).state is ModelVersionState.VALID
    assert client.models.update(model.id, description="").description == ""
    with pytest.raises(ProblemError) as raised:
        client.models.create(name=model.name, source=SOURCE)
    assert raised.value.problem.code == "name-taken"
    client.models.delete(model.id)
    assert model.id not in {each.id for each in client.models.list(limit=1)}


def test_a_model_is_trained_and_served(
    api: ApiProcess, client: Client, orchestrator: Client, tmp_path: Path
) -> None:
    model = create_valid_model(api, client, orchestrator)
    configuration = client.configurations.create(name=any_name(), model_ids=[model.id])
    assert next(client.configurations.list(limit=1)) == configuration
    deployment = client.deployments.create(
        configuration.id, epochs=2, fit={"shuffle": False}, resources={"cpu": "500m"}
    )
    assert deployment.parameters.fit.shuffle is False
    (training,) = client.trainings.list(
        deployment_id=deployment.id, state=TrainingState.QUEUED
    )
    finish_training(api, orchestrator, tmp_path)
    (training,) = client.deployments.wait_finished(deployment.id).trainings
    assert training.state is TrainingState.FINISHED
    metrics = client.trainings.metrics(training.id)
    assert [each.values for each in metrics.epochs] == [{"loss": 0.5}, {"loss": None}]
    assert client.trainings.confusion_matrix(training.id) == MATRIX
    path = client.trainings.download(training.id, tmp_path / "copy.keras")
    assert path.read_bytes() == ARTIFACT
    serve(api, client, orchestrator, training.id, tmp_path)
    with pytest.raises(ProblemError):
        client.configurations.delete(configuration.id)
    client.deployments.delete(deployment.id)
    client.configurations.delete(configuration.id)


def serve(
    api: ApiProcess, client: Client, orchestrator: Client, training_id: int, folder: Path
) -> None:
    inference = client.inferences.create(
        training_id=training_id, input_topic="in", output_topic="out"
    )
    assert list(client.inferences.list(training_id=training_id)) == [inference]
    with start(api, orchestrator, WorkloadKind.INFERENCE) as attempt:
        order = attempt.attempts.order()
        assert order.inference is not None
        assert order.inference.input_shape == [8]
        path = attempt.attempts.download_artifact(folder / "served.keras")
        assert path.read_bytes() == ARTIFACT
        attempt.attempts.progress(ProgressReport(state="serving"))
        client.inferences.wait_serving(inference.id)
        read_logs(client, orchestrator, inference)
        assert client.inferences.scale(inference.id, 3).replicas == 3
        assert client.inferences.stop(inference.id).state is InferenceState.STOPPED
        with pytest.raises(ProblemError) as raised:
            attempt.attempts.order()
    assert raised.value.problem.code == "attempt-over"
    client.inferences.delete(inference.id)


def read_logs(client: Client, orchestrator: Client, inference: Inference) -> None:
    name = f"kafkaml-inference-{inference.id}-1"
    orchestrator.workloads.put_logs(name, 0, "größer".encode())
    assert "größer" in client.inferences.logs(inference.id, replica=0)


def test_a_training_fails_and_is_retried(
    api: ApiProcess, client: Client, orchestrator: Client
) -> None:
    model = create_valid_model(api, client, orchestrator)
    configuration = client.configurations.create(name=any_name(), model_ids=[model.id])
    deployment = client.deployments.create(configuration.id)
    with start(api, orchestrator, WorkloadKind.TRAINING) as attempt:
        attempt.attempts.failure(
            FailureReport(reason=FailureReason.DIVERGED, message="the loss is NaN")
        )
    with pytest.raises(WaitFailedError, match="the loss is NaN"):
        client.deployments.wait_finished(deployment.id)
    training = client.trainings.retry(deployment.trainings[0].id)
    assert (training.state, training.attempt) == (TrainingState.QUEUED, 2)
    assert client.trainings.stop(training.id).state is TrainingState.STOPPED
    observation = Observation(phase=Phase.EXITED, exit_code=143)
    with pytest.raises(ProblemError) as raised:
        orchestrator.workloads.observe(f"kafkaml-training-{training.id}-1", observation)
    assert raised.value.problem.code == "workload-not-current"


def test_a_stream_is_recorded_and_sent_again(
    api: ApiProcess, client: Client, orchestrator: Client
) -> None:
    model = create_valid_model(api, client, orchestrator)
    configuration = client.configurations.create(name=any_name(), model_ids=[model.id])
    first, second = (client.deployments.create(configuration.id) for _ in range(2))
    message = ControlMessage.model_validate({**STREAM, "deployment_id": first.id})
    record = DatasourceRecord(
        topic="KAFKA_ML_CONTROL_TOPIC",
        partition=0,
        offset=7,
        timestamp_ms=1_700_000_000_000,
        key=base64.b64encode(message.to_key()).decode(),
        value=base64.b64encode(message.to_value()).decode(),
    )
    with Client(api.url, CONTROL_LOGGER) as logger:
        datasource = logger.datasources.record(record)
        assert logger.datasources.record(record) == datasource
    assert list(client.datasources.list(deployment_id=first.id)) == [datasource]
    assert client.datasources.get(datasource.id) == datasource
    client.datasources.send(datasource.id, deployment_id=second.id, test_rate=0.2)


def test_tokens_open_what_they_should(api: ApiProcess, client: Client) -> None:
    token = client.tokens.create(name="notebook", scope=Scope.VIEWER)
    with Client(api.url, token.secret) as viewer:
        assert viewer.tokens.current().name == "notebook"
        with pytest.raises(ProblemError) as raised:
            viewer.models.create(name=any_name(), source="b")
        assert raised.value.problem.code == "forbidden"
        assert token.id in {each.id for each in client.tokens.list()}
        client.tokens.delete(token.id)
        with pytest.raises(ProblemError) as raised:
            viewer.tokens.current()
        assert raised.value.problem.status == 401


def test_events_are_watched_and_resumed(client: Client) -> None:
    model = client.models.create(name=any_name(), source="b")
    subject, stop = f"models/{model.id}", threading.Event()

    def change() -> None:
        while not stop.wait(0.1):
            client.models.add_version(model.id, f"model = {time.monotonic()}")

    thread = threading.Thread(target=change, daemon=True)
    thread.start()
    with closing(client.events.watch(subject=subject, type="model.versioned")) as events:
        first = next(events)
    stop.set()
    thread.join(30)
    client.models.add_version(model.id, "the last")
    newest = client.models.get(model.id).version.number
    resumed = client.events.watch(
        subject=subject, type="model.versioned", last_event_id=first.cursor
    )
    # Events come at least once: a repeated one changes nothing, a missing one would.
    seen = {version_of(first)}
    with closing(resumed) as events:
        while newest not in seen:
            seen.add(version_of(next(events)))
    assert seen >= set(range(version_of(first), newest + 1))


def version_of(watched: WatchedEvent) -> int:
    assert isinstance(watched.event.data, ModelVersioned)
    return watched.event.data.version


async def test_the_asynchronous_client_does_the_same(api: ApiProcess) -> None:
    async with AsyncClient(api.url, ADMIN) as client:
        model = await client.models.create(name=any_name(), source="b")
        assert (await anext(client.models.list(limit=1))).id == model.id
        await client.models.delete(model.id)
        with pytest.raises(ProblemError):
            await client.models.get(model.id)
