"""Two Keras models go through their whole life on a real Kafka stream.

Run it by `make demo`. It starts the platform on this machine unless KAFKA_ML_URL,
KAFKA_ML_TOKEN and KAFKA_ML_BOOTSTRAP_SERVERS name one. It exits 0 only if every check
held.
"""

import os
import queue
import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from answers import Answers, end_offsets, read_answers, send
from rich.live import Live
from show import comparison, confusion, farewell, training_progress
from sklearn.datasets import load_digits

from kafkaml.client import Client
from kafkaml.schemas.deployments import Deployment
from kafkaml.schemas.inferences import Inference
from kafkaml.schemas.states import TrainingState
from kafkaml.schemas.trainings import EpochMetrics, Training
from kafkaml.sinks import RawSink

sys.path.append(str(Path(__file__).parents[1] / "common"))

from workbench import (
    TRAINING_SECONDS,
    CheckFailedError,
    check,
    configure,
    console,
    define_models,
    done,
    step,
    use_platform,
    wait_until_waiting,
)

MODELS = Path(__file__).parent / "models"
ACCURACY = 0.95
ANSWER_SECONDS = 120
# Of each workload: two fit beside the platform on a node with two CPUs.
RESOURCES = {"cpu": "500m", "memory": "1536Mi"}


@dataclass(frozen=True)
class Digits:
    """Handwritten digits: `images` (n, 8, 8) uint8 from 0 to 16, `labels` (n,) uint8."""

    images: np.ndarray[Any, np.dtype[np.uint8]]
    labels: np.ndarray[Any, np.dtype[np.uint8]]

    @classmethod
    def split(cls, rate: float, seed: int) -> "tuple[Digits, Digits]":
        """Load scikit-learn's digits, shuffle them and hold back a part."""
        bunch = load_digits()
        order = np.random.default_rng(seed).permutation(len(bunch.target))
        images = bunch.images[order].astype(np.uint8)
        labels = bunch.target[order].astype(np.uint8)
        kept = round(len(order) * (1 - rate))
        return cls(images[:kept], labels[:kept]), cls(images[kept:], labels[kept:])


def stream(deployment_id: int, digits: Digits) -> str:
    """Send the digits as records, then announce them; return the topic."""
    topic = f"digits-{deployment_id}"
    with RawSink(
        topic=topic,
        deployment_id=deployment_id,
        partitions=2,
        validation_rate=0.1,
        test_rate=0.1,
        description="scikit-learn's handwritten digits",
    ) as sink:
        sink.send_many(digits.images, digits.labels)
    return topic


def follow(client: Client, deployment: Deployment) -> list[Training]:
    """Show the curves while they grow; return the trainings when all are final."""
    subjects = [f"trainings/{training.id}" for training in deployment.trainings]
    changes: queue.Queue[object] = queue.Queue()

    def watch() -> None:
        for watched in client.events.watch(subject=subjects):
            changes.put(watched)

    threading.Thread(target=watch, daemon=True).start()
    deadline = time.monotonic() + TRAINING_SECONDS
    trainings = list(deployment.trainings)
    metrics: dict[int, list[EpochMetrics]] = {}
    with Live(console=console, refresh_per_second=8) as live:
        while True:
            trainings = [client.trainings.get(each.id) for each in trainings]
            for training in trainings:
                metrics[training.id] = client.trainings.metrics(training.id).epochs
            live.update(training_progress(trainings, metrics))
            if all(training.state.is_final for training in trainings):
                break
            if time.monotonic() > deadline:
                raise CheckFailedError(f"no result after {TRAINING_SECONDS} s")
            _wait_for_change(changes)
    if not console.is_terminal:
        console.print()
    return trainings


def _wait_for_change(changes: "queue.Queue[object]") -> None:
    """Wait for an event, at most two seconds, and take those that came with it."""
    try:
        changes.get(timeout=2)
        while True:
            changes.get_nowait()
    except queue.Empty:
        return


def deploy_inference(client: Client, training: Training) -> Inference:
    """Serve a training by two replicas, and wait until both are ready."""
    name = f"digits-{training.id}-{time.time():.0f}"
    inference = client.inferences.create(
        training_id=training.id,
        replicas=2,
        input_topic=f"{name}-in",
        output_topic=f"{name}-out",
        resources=RESOURCES,
    )
    with console.status("   two replicas start and load the model"):
        deadline = time.monotonic() + TRAINING_SECONDS
        client.inferences.wait_serving(inference.id, timeout=TRAINING_SECONDS)
        while (inference := client.inferences.get(inference.id)).ready_replicas < 2:
            if time.monotonic() > deadline:
                raise CheckFailedError("the second replica did not start")
            time.sleep(0.5)
    return inference


def check_answers(answers: Answers, sent: list[str], held_back: Digits) -> None:
    """Compare the output topic with what went into the input topic."""
    counts = Counter(answers.sources)
    missing = [source for source in sent if source not in counts]
    doubled = [source for source, count in counts.items() if count > 1]
    check(
        holds=not missing and not doubled,
        text=f"{len(sent)} records in, each answered exactly once",
    )
    predicted = dict(zip(answers.sources, answers.values, strict=True))
    hits = [
        int(np.argmax(predicted[source])) == label
        for source, label in zip(sent, held_back.labels, strict=True)
    ]
    accuracy = float(np.mean(hits))
    check(
        holds=accuracy >= ACCURACY,
        text=f"accuracy on the output topic {accuracy:.4f} (at least {ACCURACY})",
    )


def train(client: Client, configuration_id: int, digits: Digits) -> tuple[Training, str]:
    """Train both models on one stream; return the best training and the data topic."""
    deployment = client.deployments.create(
        configuration_id=configuration_id,
        batch_size=32,
        epochs=30,
        seed=7,
        split="stratified",
        resources=RESOURCES,
    )
    done(
        f"deployment {deployment.id} with trainings {[t.id for t in deployment.trainings]}"
    )
    wait_until_waiting(client, deployment)
    topic = stream(deployment.id, digits)
    done(f"{len(digits.labels)} records sent to {topic}, then one control message")
    trainings = follow(client, deployment)
    for training in trainings:
        text = training.failure.message if training.failure else training.state
        check(
            holds=training.state is TrainingState.FINISHED,
            text=f"{training.model_name} {text}",
        )
    models = {t.model_id: client.models.get(t.model_id) for t in trainings}
    console.print(comparison(trainings, models))
    best = max(trainings, key=_test_accuracy)
    console.print(confusion(client.trainings.confusion_matrix(best.id), best.model_name))
    return best, topic


def _test_accuracy(training: Training) -> float:
    return (training.result.test.get("accuracy") or 0.0) if training.result else 0.0


def infer(client: Client, best: Training, held_back: Digits) -> Inference:
    """Deploy the best model and ask it about the records that were held back."""
    inference = deploy_inference(client, best)
    done(f"{best.model_name}: {inference.input_topic} → {inference.output_topic}")
    records = [image.tobytes() for image in held_back.images]
    sent = send(inference.input_topic, [*records, b"poison"])
    answers = read_answers(inference.output_topic, len(records), ANSWER_SECONDS)
    check_answers(answers, sent[:-1], held_back)
    letters = read_answers(inference.dead_letter_topic, 1, ANSWER_SECONDS)
    check(
        holds=letters.sources == sent[-1:],
        text=f"the poison record is in {inference.dead_letter_topic}: {letters.reasons[0]}",
    )
    return inference


def send_again(client: Client, configuration_id: int, first: int, topic: str) -> None:
    """Train other parameters on the recorded stream, without producing a record."""
    before = end_offsets(topic)
    deployment = client.deployments.create(
        configuration_id=configuration_id,
        batch_size=64,
        epochs=15,
        seed=8,
        resources=RESOURCES,
    )
    source = next(iter(client.datasources.list(deployment_id=first)))
    client.datasources.send(source.id, deployment_id=deployment.id)
    done(f"datasource {source.id} sent again to deployment {deployment.id}")
    trainings = follow(client, deployment)
    check(
        holds=all(t.state is TrainingState.FINISHED for t in trainings),
        text="both models trained on the recorded stream",
    )
    check(holds=end_offsets(topic) == before, text="no record was produced for it")


def main() -> None:
    """Run every step; raise CheckFailedError at the first check that does not hold."""
    is_ours = use_platform()
    started = time.monotonic()
    digits, held_back = Digits.split(rate=0.2, seed=1)
    with Client() as client:
        step(1, "Design: two Keras models, checked by the platform")
        sources = sorted(MODELS.glob("*.py"))
        models = define_models(client, prefix="digits", sources=sources, about="Demo")
        for model in models:
            done(f"{model.name}, version {model.version.number}, {model.version.state}")
        step(2, "Group them, deploy for training, feed one stream from Kafka")
        configuration_id = configure(client, name="digits", models=models)
        best, topic = train(client, configuration_id, digits)
        step(3, f"Deploy the best, {best.model_name}, for inference with two replicas")
        inference = infer(client, best, held_back)
        client.inferences.stop(inference.id)
        step(4, "Send the recorded stream again, to a second deployment")
        send_again(client, configuration_id, best.deployment_id, topic)
        done(f"all of it took {time.monotonic() - started:.0f} s")
    console.print()
    console.print(farewell(os.environ["KAFKA_ML_URL"], is_ours=is_ours))


if __name__ == "__main__":
    try:
        main()
    except CheckFailedError as e:
        console.print(f"   [bold red]✗[/] {e}")
        sys.exit(1)
