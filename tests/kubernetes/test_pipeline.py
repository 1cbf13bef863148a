import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from inferencer.answers import SOURCE_HEADER
from kafkaml.client import Client
from kafkaml.schemas.inferences import Inference
from kafkaml.schemas.states import InferenceState
from kafkaml.schemas.trainings import Training
from tests.e2e.scenarios import separable
from tests.inferencer.topics import Topics
from tests.support.waiting import eventually

from .installation import Installation
from .kubectl import WORKLOADS, Manifest, find, kubectl
from .scenarios import PATIENCE, pods_of, serve, train


@pytest.fixture(scope="module")
def trained(platform: Installation) -> tuple[Training, Manifest]:
    """A finished training, and the pod that did it."""
    with Client(url=platform.url, token=platform.token) as client:
        return train(platform, client)


@pytest.fixture(scope="module")
def training(trained: tuple[Training, Manifest]) -> Training:
    return trained[0]


@pytest.fixture(scope="module")
def inference(platform: Installation, training: Training) -> Iterator[Inference]:
    """One replica that serves."""
    with Client(url=platform.url, token=platform.token) as client:
        made = serve(client, training)
        yield made
        client.inferences.stop(made.id)


def ready_replicas(client: Client, inference: Inference, count: int) -> None:
    """Wait until so many replicas serve."""

    def attempt() -> bool | None:
        return client.inferences.get(inference.id).ready_replicas == count or None

    eventually(attempt, PATIENCE)


def test_a_model_is_trained_in_a_job(
    client: Client, trained: tuple[Training, Manifest]
) -> None:
    training, pod = trained
    assert training.result is not None
    assert (training.result.test["accuracy"] or 0) > 0.8
    (owner,) = pod["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["name"]) == ("Job", f"kafkaml-training-{training.id}-1")

    def whole_log() -> str | None:
        log = client.trainings.logs(training.id)
        return log if "epoch" in log else None

    assert eventually(whole_log, PATIENCE)


def test_an_inference_answers_and_is_scaled(
    platform: Installation, client: Client, inference: Inference
) -> None:
    client.inferences.scale(inference.id, replicas=2)
    ready_replicas(client, inference, 2)
    points, labels = separable(200, seed=11)
    answers = client.inferences.predict(
        inference.id, points, bootstrap_servers=platform.bootstrap_servers, timeout=PATIENCE
    )
    assert (answers.argmax(axis=1) == labels).mean() > 0.8
    client.inferences.scale(inference.id, replicas=1)
    ready_replicas(client, inference, 1)


def test_a_rolling_restart_answers_each_record_once(
    platform: Installation, inference: Inference
) -> None:
    topics = Topics(platform.bootstrap_servers)
    (deployment,) = find(
        WORKLOADS, "deployments", f"kafka-ml/id={inference.id},{OF_INFERENCE}"
    )
    name, where = deployment["metadata"]["name"], ("--namespace", WORKLOADS)
    before = names(pods_of("inference", inference.id))
    with sending(topics, inference.input_topic):
        kubectl("rollout", "restart", *where, f"deployment/{name}")
        kubectl("rollout", "status", *where, f"deployment/{name}", "--timeout=240s")
        eventually(
            lambda: not before & names(pods_of("inference", inference.id)) or None, PATIENCE
        )
    sent = topics.count(inference.input_topic)

    def sources() -> Counter[bytes]:
        answers = topics.read(inference.output_topic, 0)
        return Counter(dict(each.headers())[SOURCE_HEADER] for each in answers)

    eventually(lambda: len(sources()) == sent or None, PATIENCE)
    assert sent > 1000
    assert set(sources().values()) == {1}


def names(pods: list[Manifest]) -> set[str]:
    """Return the names of pods."""
    return {pod["metadata"]["name"] for pod in pods}


@contextmanager
def sending(topics: Topics, topic: str) -> Iterator[None]:
    """Send records all the time."""
    points, _ = separable(50, seed=12)
    values = [point.tobytes() for point in points]
    stop = threading.Event()

    def send() -> None:
        while not stop.wait(0.2):
            topics.send(topic, values)

    sender = threading.Thread(target=send)
    sender.start()
    try:
        yield
    finally:
        stop.set()
        sender.join()


def test_the_code_of_users_has_no_way_to_the_cluster(
    trained: tuple[Training, Manifest], inference: Inference
) -> None:
    serving = pods_of("inference", inference.id)
    assert serving
    for pod in (trained[1], *serving):
        assert pod["spec"]["automountServiceAccountToken"] is False
        assert not [name for name in mounts(pod) if "serviceaccount" in name]
        assert pod["spec"]["enableServiceLinks"] is False


def mounts(pod: Manifest) -> list[str]:
    """Return the folders that are mounted into the containers of a pod."""
    return [
        mount["mountPath"]
        for container in pod["spec"]["containers"]
        for mount in container.get("volumeMounts", [])
    ]


def test_what_is_stopped_leaves_nothing_behind(client: Client, training: Training) -> None:
    made = serve(client, training)
    client.inferences.stop(made.id)
    assert client.inferences.get(made.id).state is InferenceState.STOPPED
    kinds = "deployments,services,secrets,poddisruptionbudgets,pods"

    def gone() -> bool | None:
        return not find(WORKLOADS, kinds, f"kafka-ml/id={made.id},{OF_INFERENCE}") or None

    eventually(gone, PATIENCE)


OF_INFERENCE = "app.kubernetes.io/component=inference"
