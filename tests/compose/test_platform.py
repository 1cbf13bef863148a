"""The whole platform in containers: what it does, what it survives, what it keeps apart."""

import hashlib
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from kafkaml.client import Client
from kafkaml.schemas.deployments import Deployment, Resources
from kafkaml.schemas.inferences import Inference
from kafkaml.schemas.states import (
    FailureReason,
    InferenceState,
    ModelVersionState,
    TrainingState,
)
from kafkaml.schemas.trainings import Training
from tests.e2e.scenarios import deploy, separable, stream, unique
from tests.support.waiting import eventually

from .project import ComposeProject, docker, inspect

pytestmark = [pytest.mark.docker, pytest.mark.timeout(400)]

PATIENCE = timedelta(seconds=180)
MANY_EPOCHS = 20_000


def wait_for(client: Client, training: Training, *states: TrainingState) -> None:
    client.trainings.wait(training.id, states=list(states), timeout=PATIENCE)


def only_training(deployment: Deployment) -> Training:
    (training,) = deployment.trainings
    return training


def attempt_name(training: Training, attempt: int) -> str:
    return f"kafkaml-training-{training.id}-{attempt}"


def start_long_training(
    platform: ComposeProject, client: Client, configuration_id: int
) -> Training:
    """Return a training that is in its epochs and would be for hours."""
    deployment = client.deployments.create(
        configuration_id=configuration_id, epochs=MANY_EPOCHS, batch_size=8
    )
    stream(platform.bootstrap_servers, deployment)
    training = only_training(deployment)
    wait_for(client, training, TrainingState.TRAINING)
    return training


def check_answers(platform: ComposeProject, client: Client, inference: Inference) -> None:
    points, labels = separable(100, seed=11)
    answers = client.inferences.predict(
        inference.id, points, bootstrap_servers=platform.bootstrap_servers, timeout=PATIENCE
    )
    assert (answers.argmax(axis=1) == labels).mean() > 0.95


@pytest.fixture(scope="module")
def training(platform: ComposeProject) -> Training:
    """A finished training."""
    with Client(url=platform.url, token=platform.token) as client:
        deployment = deploy(client, epochs=6, batch_size=16, split="stratified")
        stream(platform.bootstrap_servers, deployment)
        finished = client.deployments.wait_finished(deployment.id, timeout=PATIENCE)
    return only_training(finished)


@pytest.fixture(scope="module")
def configuration_id(platform: ComposeProject, training: Training) -> int:
    """A configuration whose model was checked before."""
    with Client(url=platform.url, token=platform.token) as client:
        return client.deployments.get(training.deployment_id).configuration_id


@pytest.fixture(scope="module")
def inference(platform: ComposeProject, training: Training) -> Iterator[Inference]:
    """The finished training, served."""
    with Client(url=platform.url, token=platform.token) as client:
        created = client.inferences.create(
            training_id=training.id, input_topic=unique("in"), output_topic=unique("out")
        )
        client.inferences.wait_serving(created.id, timeout=PATIENCE)
        yield created


def test_a_model_is_trained_and_answers(
    platform: ComposeProject, client: Client, training: Training, inference: Inference
) -> None:
    assert training.state is TrainingState.FINISHED
    assert training.result is not None
    assert (training.result.test["accuracy"] or 0) > 0.95
    check_answers(platform, client, inference)


def test_the_code_of_a_model_is_on_its_own(
    platform: ComposeProject, client: Client
) -> None:
    inside, outside = f"{platform.name}_state", f"{platform.name}_platform"
    gateway = inspect_gateway(outside)
    refused = [
        ("postgres", 5432),
        (platform.address("postgres", inside), 5432),
        (platform.address("relay", outside), 9100),
        (platform.address("orchestrator", outside), 9100),
        ("kafka", 9093),
        *[(gateway, port) for port in (8000, 9092, int(platform.url.rpartition(":")[2]))],
        ("pypi.org", 443),
        ("1.1.1.1", 443),
        ("169.254.169.254", 80),
    ]
    source = Path(__file__).with_name("probe.py").read_text()
    for name, value in (("REFUSED", refused), ("REACHED", ("kafka", 9092))):
        source, count = re.subn(
            rf"^({name}: .* = ).*", rf"\1{value!r}", source, flags=re.MULTILINE
        )
        assert count == 1
    created = client.models.create(name=unique("probe"), source=source)

    def checked() -> tuple[ModelVersionState, str] | None:
        version = client.models.get(created.id).version
        if version.state is ModelVersionState.CHECKING:
            return None
        return version.state, version.error.message if version.error else ""

    assert eventually(checked, PATIENCE) == (ModelVersionState.VALID, "")


def inspect_gateway(network: str) -> str:
    """Return the address of this machine in a network of Docker."""
    form = "{{(index .IPAM.Config 0).Gateway}}"
    return docker("network", "inspect", "--format", form, network).strip()


def test_a_training_starts_in_a_container_that_has_tensorflow_loaded(
    platform: ComposeProject, client: Client, configuration_id: int
) -> None:
    spares = eventually(lambda: platform.spares() or None, PATIENCE)
    deployment = client.deployments.create(
        configuration_id=configuration_id, resources=Resources(cpu="1500m", memory="3Gi")
    )
    name = attempt_name(only_training(deployment), 1)
    (container,) = eventually(lambda: platform.workloads(name) or None, PATIENCE)
    assert container in spares
    limits = inspect(container)["HostConfig"]
    assert (limits["Memory"], limits["MemorySwap"]) == (3 * 2**30, 3 * 2**30)
    assert limits["NanoCpus"] == 1_500_000_000
    stream(platform.bootstrap_servers, deployment)
    finished = client.deployments.wait_finished(deployment.id, timeout=PATIENCE)
    assert only_training(finished).state is TrainingState.FINISHED
    assert eventually(lambda: platform.spares() or None, PATIENCE) != spares


def test_a_killed_trainer_gets_a_new_attempt(
    platform: ComposeProject, client: Client, configuration_id: int
) -> None:
    training = start_long_training(platform, client, configuration_id)
    (container,) = platform.workloads(attempt_name(training, 1))
    docker("kill", container)

    def second_attempt() -> bool | None:
        now = client.trainings.get(training.id)
        return (now.attempt == 2 and now.state is TrainingState.TRAINING) or None

    eventually(second_attempt, PATIENCE)
    client.trainings.stop(training.id)


def test_a_restarted_orchestrator_doubles_nothing(
    platform: ComposeProject, client: Client, configuration_id: int
) -> None:
    training = start_long_training(platform, client, configuration_id)
    before = platform.workloads(attempt_name(training, 1))
    platform.run("kill", "orchestrator")
    platform.up()

    def went_on() -> bool | None:
        return client.trainings.get(training.id).epoch > epoch + 1 or None

    epoch = client.trainings.get(training.id).epoch
    eventually(went_on, PATIENCE)
    assert platform.workloads(attempt_name(training, 1)) == before
    assert client.trainings.get(training.id).attempt == 1
    client.trainings.stop(training.id)

    def ended() -> bool | None:
        return not platform.workloads(attempt_name(training, 1)) or None

    eventually(ended, PATIENCE)


def test_a_training_that_needs_more_memory_than_it_may_use_says_so(
    client: Client, configuration_id: int
) -> None:
    deployment = client.deployments.create(
        configuration_id=configuration_id,
        resources=Resources(memory="150Mi"),  # TensorFlow alone needs more
    )
    training = only_training(deployment)
    wait_for(client, training, TrainingState.FAILED)
    failure = client.trainings.get(training.id).failure
    assert failure is not None
    assert failure.reason is FailureReason.OOM
    assert "memory" in failure.message


def test_nothing_is_lost_by_down_and_up(
    platform: ComposeProject,
    client: Client,
    configuration_id: int,
    training: Training,
    inference: Inference,
    tmp_path: Path,
) -> None:
    waiting = client.deployments.create(configuration_id=configuration_id, epochs=3)
    wait_for(client, only_training(waiting), TrainingState.WAITING)
    running = start_long_training(platform, client, configuration_id)
    models = {model.name: model.version for model in client.models.list()}
    assert len(platform.workloads(status="running")) == 3

    platform.run("down")
    assert platform.workloads() == []
    left = docker("ps", "--all", "--quiet", "--filter", f"name={platform.name}")
    assert not left
    assert not docker("network", "ls", "--quiet", "--filter", f"name={platform.name}")

    platform.up()
    assert {model.name: model.version for model in client.models.list()} == models
    again = client.trainings.get(training.id)
    assert (again.state, again.result) == (TrainingState.FINISHED, training.result)
    assert again.artifact is not None
    path = client.trainings.download(training.id, tmp_path / "model.keras")
    assert hashlib.sha256(path.read_bytes()).hexdigest() == again.artifact.sha256

    wait_for(client, running, TrainingState.TRAINING)
    client.trainings.stop(running.id)
    (source,) = client.datasources.list(deployment_id=training.deployment_id)
    client.datasources.send(source.id, deployment_id=waiting.id)
    finished = client.deployments.wait_finished(waiting.id, timeout=PATIENCE)
    assert only_training(finished).state is TrainingState.FINISHED, "Kafka kept the stream"

    client.inferences.wait_serving(inference.id, timeout=PATIENCE)
    assert client.inferences.get(inference.id).state is InferenceState.SERVING
    check_answers(platform, client, inference)


def test_workloads_run_in_the_network_that_reaches_nothing_else(
    platform: ComposeProject, inference: Inference
) -> None:
    (container,) = platform.workloads(f"kafkaml-inference-{inference.id}-1")
    networks = inspect(container)["NetworkSettings"]["Networks"]
    assert set(networks) == {f"{platform.name}-workloads"}
