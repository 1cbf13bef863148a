"""Streams without an end in a real broker, and attempts that are trained on them."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kafkaml.config import KafkaSettings
from kafkaml.control import ControlMessage
from kafkaml.schemas.attempts import Order
from tests.trainer.orders import CLASSIFIER, training_order
from tests.trainer.streams import INPUT_CONFIG, Record, announce, make_topic, produce
from trainer.config import TrainerSettings
from trainer.run import run
from trainer.sandbox.standby import Standby
from trainer.testing import InMemoryAttempts

CENTRES = np.array([[4, 0], [-4, 0], [0, 4]], np.float32)
BRIEF = {"quiet_seconds": 1.5, "update_records": 32, "epoch_updates": 4} | {
    "publish_seconds": 0,
    "validation_records": 64,
}


def classes(
    count: int, *, turned: int = 0, only: Sequence[int] = (0, 1, 2)
) -> list[Record]:
    """Return records of two numbers of some classes; `turned` renames the classes."""
    generator = np.random.default_rng(count + turned)
    labels = generator.choice(np.array(only, np.uint8), count)
    features = CENTRES[labels] + generator.normal(0, 0.3, (count, 2))
    return [
        (np.uint8((label + turned) % 3).tobytes(), feature.astype(np.float32).tobytes())
        for label, feature in zip(labels, features, strict=True)
    ]


@dataclass(frozen=True)
class EndlessStream:
    """A topic that was announced by its name alone."""

    bootstrap: str
    standby: Standby
    topic: str
    control_topic: str

    @classmethod
    def announced(
        cls, bootstrap: str, standby: Standby, *, partitions: int = 1, **fields: Any
    ) -> Any:
        data, control = (f"endless-{kind}-{secrets.token_hex(4)}" for kind in "dc")
        make_topic(bootstrap, data, partitions)
        make_topic(bootstrap, control)
        stream = cls(bootstrap, standby, data, control)
        message = ControlMessage.model_validate(
            {
                "deployment_id": 1,
                "topic": data,
                "input_format": "RAW",
                "input_config": INPUT_CONFIG,
                "incremental": True,
                **fields,
            }
        )
        announce(bootstrap, control, message)
        return stream

    def write(self, records: Sequence[Record], partition: int = 0) -> None:
        produce(self.bootstrap, self.topic, records, partition=partition)

    def order(self, *, options: dict[str, Any] | None = None, **parameters: Any) -> Order:
        incremental = BRIEF | (options or {})
        wanted: dict[str, Any] = {"incremental": incremental, "exports": []} | parameters
        source = wanted.pop("source", CLASSIFIER)
        return training_order(self.control_topic, source=source, **wanted)

    def train(self, settings: TrainerSettings, attempts: InMemoryAttempts) -> int:
        kafka = KafkaSettings(bootstrap_servers=self.bootstrap)
        return run(attempts=attempts, settings=settings, kafka=kafka, standby=self.standby)

    def trained(
        self, settings: TrainerSettings, **order: Any
    ) -> tuple[int, InMemoryAttempts]:
        attempts = InMemoryAttempts(self.order(**order))
        return self.train(settings, attempts), attempts


class Background:
    """An attempt that trains while the test writes."""

    def __init__(
        self, stream: EndlessStream, settings: TrainerSettings, attempts: InMemoryAttempts
    ) -> None:
        self.code: int | None = None
        self._thread = Thread(
            target=self._run, args=(stream, settings, attempts), daemon=True
        )
        self._thread.start()

    def wait(self, seconds: float = 60) -> int:
        self._thread.join(seconds)
        assert self.code is not None
        return self.code

    def _run(
        self, stream: EndlessStream, settings: TrainerSettings, attempts: InMemoryAttempts
    ) -> None:
        self.code = stream.train(settings, attempts)


def accuracy(model: bytes, records: Sequence[Record], folder: Path) -> float:
    """Return the share of records whose class a model knows."""
    import keras

    path = folder / f"{secrets.token_hex(4)}.keras"
    path.write_bytes(model)
    loaded = keras.saving.load_model(path, compile=False, safe_mode=True)
    features = np.stack([np.frombuffer(value or b"", np.float32) for _, value in records])
    labels: NDArray[np.uint8] = np.array([(key or b"\0")[0] for key, _ in records])
    predicted = np.argmax(np.asarray(loaded(features)), axis=1)
    return float((predicted == labels).mean())
