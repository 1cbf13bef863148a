"""Attempts that go on where others were: a real broker, a real child, an API in memory."""

import secrets
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pytest

from kafkaml.config import KafkaSettings
from kafkaml.schemas.attempts import Order
from kafkaml.schemas.states import ExitCode
from kafkaml.schemas.trainings import Artifact
from tests.trainer.orders import CLASSIFIER, training_order
from tests.trainer.streams import announce, make_topic, message_of, produce, separable
from trainer.config import TrainerSettings
from trainer.run import run
from trainer.sandbox.standby import Standby
from trainer.testing import InMemoryAttempts

COUNT = 300


class LostAttempts(InMemoryAttempts):
    """An API that counts no more on the attempt once it has its checkpoint."""

    def upload_checkpoint(self, file: BinaryIO) -> Artifact:
        kept = super().upload_checkpoint(file)
        self._is_over = True
        return kept


@pytest.fixture(scope="module")
def order(kafka_bootstrap: str) -> Order:
    data, control = (
        f"resume-{kind}-{secrets.token_hex(4)}" for kind in ("data", "control")
    )
    make_topic(kafka_bootstrap, data)
    make_topic(kafka_bootstrap, control)
    records = produce(kafka_bootstrap, data, separable(COUNT))
    message = message_of(records, total_msg=COUNT, validation_rate=0.2)
    announce(kafka_bootstrap, control, message)
    return training_order(
        control, source=CLASSIFIER, epochs=60, batch_size=8, checkpoint_seconds=1
    )


def later(order: Order, checkpoint: bytes) -> Order:
    """Return the order of the attempt that follows."""
    assert order.training is not None
    known = Artifact(size_bytes=len(checkpoint), sha256="0" * 64)
    training = order.training.model_copy(update={"checkpoint": known})
    return order.model_copy(update={"attempt": order.attempt + 1, "training": training})


def weights_of(attempts: InMemoryAttempts, folder: Path) -> list[Any]:
    import keras

    assert attempts.model is not None
    path = folder / "uploaded.keras"
    path.write_bytes(attempts.model)
    return list(keras.saving.load_model(path, safe_mode=True).get_weights())


def test_another_attempt_tells_and_gives_what_one_would_have(
    order: Order,
    settings: TrainerSettings,
    standby: Standby,
    kafka_bootstrap: str,
    tmp_path: Path,
) -> None:
    kafka = KafkaSettings(bootstrap_servers=kafka_bootstrap)

    def attempt(attempts: InMemoryAttempts) -> int:
        return run(attempts=attempts, settings=settings, kafka=kafka, standby=standby)

    lost = LostAttempts(order)
    assert attempt(lost) == ExitCode.DRAINED
    assert lost.accepted_result is None
    successor = InMemoryAttempts(later(order, lost.checkpoints[0]))
    successor.checkpoints = lost.checkpoints[:1]
    assert attempt(successor) == ExitCode.ACCEPTED
    uninterrupted = InMemoryAttempts(order)
    assert attempt(uninterrupted) == ExitCode.ACCEPTED

    assert successor.calls.count("fetch") == 1
    assert successor.epochs == uninterrupted.epochs
    for ours, theirs in zip(
        weights_of(successor, tmp_path), weights_of(uninterrupted, tmp_path), strict=True
    ):
        assert np.array_equal(ours, theirs)
    assert not list(settings.work_directory.iterdir())
