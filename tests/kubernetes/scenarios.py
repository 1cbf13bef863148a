"""A small training and a small inference, as most tests here need them."""

from datetime import timedelta

from kafkaml.client import Client
from kafkaml.schemas.deployments import Deployment
from kafkaml.schemas.inferences import Inference
from kafkaml.schemas.states import TrainingState
from kafkaml.schemas.trainings import Training
from tests.e2e.scenarios import CLASSIFIER, deploy, stream, unique
from tests.support.waiting import eventually

from .installation import Installation
from .kubectl import WORKLOADS, Manifest, find

PATIENCE = timedelta(minutes=4)
# Two of them fit beside the platform on a node with two CPUs.
RESOURCES = {"cpu": "500m", "memory": "1536Mi"}


def deploy_small(
    client: Client, *, source: str = CLASSIFIER, **parameters: object
) -> Deployment:
    """Deploy one model for training, with few resources."""
    return deploy(
        client, source, **({"epochs": 3, "seed": 5, "resources": RESOURCES} | parameters)
    )


def wait_until(client: Client, deployment: Deployment, state: TrainingState) -> Training:
    """Wait until the deployment's only training is in a state."""
    training = deployment.trainings[0]
    client.trainings.wait(training.id, states=[state], timeout=PATIENCE)
    return client.trainings.get(training.id)


def train(platform: Installation, client: Client) -> tuple[Training, Manifest]:
    """Train a small model; return its finished training, and the pod that did it."""
    deployment = deploy_small(client)
    waiting = wait_until(client, deployment, TrainingState.WAITING)
    pod = running_pod("training", waiting.id)
    stream(platform.bootstrap_servers, deployment)
    return wait_until(client, deployment, TrainingState.FINISHED), pod


def pods_of(kind: str, number: int) -> list[Manifest]:
    """Return the pods of a `training`, `check` or `inference`."""
    return find(
        WORKLOADS, "pods", f"app.kubernetes.io/component={kind},kafka-ml/id={number}"
    )


def running_pod(kind: str, number: int) -> Manifest:
    """Wait for a pod that runs, and return it."""

    def attempt() -> Manifest | None:
        running = [
            pod for pod in pods_of(kind, number) if pod["status"]["phase"] == "Running"
        ]
        return running[0] if running else None

    return eventually(attempt, PATIENCE)


def serve(client: Client, training: Training) -> Inference:
    """Serve a training by one replica with topics of its own."""
    made = client.inferences.create(
        training_id=training.id,
        replicas=1,
        input_topic=unique("in"),
        output_topic=unique("out"),
        resources=RESOURCES,
    )
    client.inferences.wait_serving(made.id, timeout=PATIENCE)
    return made
