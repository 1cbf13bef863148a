"""The three ways: a training, a prediction, and a stream that is sent again."""

import hashlib
import io
import json
from pathlib import Path

import fastavro
import numpy as np
import pytest
from numpy.typing import NDArray

from kafkaml.client import Client
from kafkaml.schemas.inferences import Inference
from kafkaml.schemas.states import DatasourceState, InferenceState, TrainingState
from kafkaml.schemas.trainings import Training
from tests.e2e.scenarios import PATIENCE, deploy, separable, stream, unique, wait_for
from tests.support.original_sink import IGNORE_ITS_WARNING, OriginalSink
from tests.support.platform import RunningPlatform
from tests.support.waiting import eventually

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def training(platform: RunningPlatform) -> Training:
    """A finished training."""
    with Client(url=platform.url, token=platform.token) as client:
        deployment = deploy(client, epochs=6, batch_size=16, seed=5, split="stratified")
        stream(platform.bootstrap_servers, deployment)
        finished = client.deployments.wait_finished(deployment.id, timeout=PATIENCE)
    return finished.trainings[0]


def test_a_model_is_trained_from_the_log(
    client: Client, training: Training, tmp_path: Path
) -> None:
    result = training.result
    assert result is not None
    assert (result.counts.training, result.counts.validation, result.counts.test) == (
        210,
        30,
        60,
    )
    assert (result.test["accuracy"] or 0) > 0.95
    curves = client.trainings.metrics(training.id).epochs
    assert [each.epoch for each in curves] == [1, 2, 3, 4, 5, 6]
    assert {"loss", "accuracy", "val_loss", "val_accuracy"} <= set(curves[0].values)
    matrix = client.trainings.confusion_matrix(training.id)
    assert matrix.part == "test"
    assert sum(map(sum, matrix.matrix)) == 60
    path = client.trainings.download(training.id, tmp_path / "model.keras")
    assert training.artifact is not None
    assert hashlib.sha256(path.read_bytes()).hexdigest() == training.artifact.sha256

    def whole_log() -> str | None:
        log = client.trainings.logs(training.id)
        return log if "epoch=6" in log else None

    eventually(whole_log, PATIENCE)
    (source,) = client.datasources.list(deployment_id=training.deployment_id)
    assert source.control is not None
    assert source.control["topic"] == result.stream["topic"]


def test_a_trained_model_answers_a_stream(
    platform: RunningPlatform, client: Client, training: Training
) -> None:
    inference = client.inferences.create(
        training_id=training.id,
        replicas=2,
        input_topic=unique("in"),
        output_topic=unique("out"),
    )
    client.inferences.wait_serving(inference.id, timeout=PATIENCE)
    points, labels = separable(200, seed=11)
    answers = client.inferences.predict(
        inference.id, points, bootstrap_servers=platform.bootstrap_servers, timeout=PATIENCE
    )
    assert answers.shape == (200, 3)
    assert (answers.argmax(axis=1) == labels).mean() > 0.95
    asked = client.inferences.ask(inference.id, points)
    assert [each.values for each in asked] == answers.tolist()
    client.inferences.stop(inference.id)
    assert client.inferences.get(inference.id).state is InferenceState.STOPPED


def test_models_are_changed_and_rolled_back_while_they_answer(
    platform: RunningPlatform, client: Client, training: Training
) -> None:
    deployment = deploy(client, epochs=1, batch_size=16)
    stream(platform.bootstrap_servers, deployment)
    other = client.deployments.wait_finished(deployment.id, timeout=PATIENCE).trainings[0]
    inference = client.inferences.create(
        training_id=training.id, input_topic=unique("in"), output_topic=unique("out")
    )
    client.inferences.wait_serving(inference.id, timeout=PATIENCE)
    points, _ = separable(20, seed=12)

    def answers(revision: int) -> NDArray[np.float32]:
        def serves() -> Inference | None:
            seen = client.inferences.get(inference.id)
            return seen if seen.serving_revisions == {"0": revision} else None

        eventually(serves, PATIENCE)
        return client.inferences.predict(
            inference.id,
            points,
            bootstrap_servers=platform.bootstrap_servers,
            timeout=PATIENCE,
        )

    first = answers(1)
    client.inferences.change_models(inference.id, primary=other.id, shadow=training.id)
    second = answers(2)
    client.inferences.roll_back(inference.id)
    third = answers(3)
    client.inferences.stop(inference.id)

    assert np.abs(first - second).max() > 1e-4
    assert np.abs(first - third).max() < 1e-5


def test_a_recorded_stream_trains_a_second_deployment(
    platform: RunningPlatform, client: Client
) -> None:
    first = deploy(client, epochs=2)
    stream(platform.bootstrap_servers, first)
    client.deployments.wait_finished(first.id, timeout=PATIENCE)
    second = client.deployments.create(
        configuration_id=first.configuration_id, epochs=3, batch_size=8
    )
    (source,) = client.datasources.list(deployment_id=first.id)
    client.datasources.send(source.id, deployment_id=second.id)
    finished = client.deployments.wait_finished(second.id, timeout=PATIENCE)
    assert finished.trainings[0].epoch == 3
    (again,) = client.datasources.list(deployment_id=second.id)
    assert again.state is DatasourceState.RECORDED


@IGNORE_ITS_WARNING
def test_an_original_avro_producer_trains_a_model(
    platform: RunningPlatform, client: Client
) -> None:
    data_schema = {
        "type": "record",
        "name": "point",
        "fields": [{"name": name, "type": "float"} for name in "abcd"],
    }
    label_schema = {
        "type": "record",
        "name": "label",
        "fields": [{"name": "corner", "type": "int"}],
    }
    deployment = deploy(client, epochs=4)
    sink = OriginalSink(
        platform.bootstrap_servers, unique("avro"), deployment.control_topic
    )
    sink.send(
        (
            _avro(data_schema, dict(zip("abcd", map(float, point), strict=True))),
            _avro(label_schema, {"corner": int(label)}),
        )
        for point, label in zip(*separable(120), strict=True)
    )
    config = {
        "data_scheme": json.dumps(data_schema),
        "label_scheme": json.dumps(label_schema),
    }
    sink.close(deployment.id, "AVRO", config)
    finished = client.deployments.wait_finished(deployment.id, timeout=PATIENCE)
    assert finished.trainings[0].state is TrainingState.FINISHED


def test_events_tell_the_life_of_a_training(
    platform: RunningPlatform, client: Client
) -> None:
    first = next(iter(client.events.watch(last_event_id="0-0")))
    deployment = deploy(client, epochs=2)
    subject = f"trainings/{deployment.trainings[0].id}"
    stream(platform.bootstrap_servers, deployment, count=60)
    types = []
    for watched in client.events.watch(subject=subject, last_event_id=first.cursor):
        # How often a step is told depends on how long it takes.
        if watched.event.type != "training.stepped":
            types.append(watched.event.type)
        if watched.event.type in {"training.finished", "training.failed"}:
            break
    assert types == [
        "training.queued",
        "training.waiting",
        "training.started",
        "training.progressed",
        "training.progressed",
        "training.finished",
    ]


def test_everything_goes_on_after_down_and_up(
    platform: RunningPlatform, client: Client
) -> None:
    deployment = deploy(client, epochs=2)
    wait_for(client, deployment, TrainingState.WAITING)
    before = {model.name for model in client.models.list()}
    platform.run("down")
    platform.up()
    with Client(url=platform.url, token=platform.token) as again:
        assert {model.name for model in again.models.list()} == before
        stream(platform.bootstrap_servers, deployment)
        finished = again.deployments.wait_finished(deployment.id, timeout=PATIENCE)
        assert finished.trainings[0].state is TrainingState.FINISHED
        assert finished.trainings[0].attempt == 2, "it was drained, and begun again"


def _avro(schema: object, record: dict[str, float | int]) -> bytes:
    buffer = io.BytesIO()
    fastavro.schemaless_writer(buffer, fastavro.parse_schema(schema), record)
    return buffer.getvalue()
