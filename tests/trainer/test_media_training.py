"""Pictures and sounds from a real broker through a whole training."""

import wave
from collections.abc import Callable
from io import BytesIO
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from kafkaml.config import KafkaSettings
from kafkaml.records.media.encoding import png_of
from kafkaml.schemas.states import ExitCode
from tests.trainer.orders import training_order
from tests.trainer.streams import Record, announce, make_topic, message_of, produce
from trainer.config import TrainerSettings
from trainer.run import run
from trainer.sandbox.standby import Standby
from trainer.testing import InMemoryAttempts

COUNT = 60
RANDOM = np.random.default_rng(0)

PICTURES: dict[str, Any] = {
    "input_format": "IMAGE",
    "input_config": {"height": 8, "width": 8, "label_type": "uint8"},
}
SOUNDS: dict[str, Any] = {
    "input_format": "AUDIO",
    "input_config": {"samples": 200, "rate": 8000, "label_type": "uint8"},
}
CONVOLUTION = """\
import keras

model = keras.Sequential([
    keras.Input((8, 8, 3)),
    keras.layers.Rescaling(1 / 255),
    keras.layers.Conv2D(4, 3, strides=2, activation="elu"),
    keras.layers.Flatten(),
    keras.layers.Dense(2, activation="softmax"),
])
"""
CONVOLUTION_OF_SOUND = """\
import keras

model = keras.Sequential([
    keras.Input((200, 1)),
    keras.layers.Conv1D(8, 16, strides=4, activation="relu"),
    keras.layers.GlobalAveragePooling1D(),
    keras.layers.Dense(2, activation="softmax"),
])
"""
COMPILE = """
optimizer = keras.optimizers.Adam(0.05)
model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
"""


def picture(number: int) -> bytes:
    """Return a dark PNG, or a bright JPEG."""
    level = 200 * (number % 2)
    pixels = RANDOM.integers(level, level + 50, (8, 8, 3), np.uint8)
    return tf.io.encode_jpeg(pixels).numpy() if level else png_of(pixels)


def sound(number: int) -> bytes:
    """Return a WAV file of a quarter of a second: a low tone, or a high one."""
    times = np.arange(200) / 8000
    samples = np.sin(2 * np.pi * (200, 2000)[number % 2] * times + RANDOM.uniform(0, 6))
    file = BytesIO()
    with wave.open(file, "wb") as written:
        written.setnchannels(1)
        written.setsampwidth(2)
        written.setframerate(8000)
        written.writeframes((samples * 30_000).astype("<i2").tobytes())
    return file.getvalue()


@pytest.mark.parametrize(
    ("media", "stream", "source", "shape"),
    [
        pytest.param(picture, PICTURES, CONVOLUTION, [8, 8, 3], id="IMAGE"),
        pytest.param(sound, SOUNDS, CONVOLUTION_OF_SOUND, [200, 1], id="AUDIO"),
    ],
)
def test_a_model_learns_from_files(
    media: Callable[[int], bytes],
    stream: dict[str, Any],
    source: str,
    shape: list[int],
    kafka_bootstrap: str,
    topic_name: Callable[[str], str],
    settings: TrainerSettings,
    standby: Standby,
) -> None:
    data, control = topic_name("data"), topic_name("control")
    make_topic(kafka_bootstrap, data)
    make_topic(kafka_bootstrap, control)
    records: list[Record] = [(bytes([at % 2]), media(at)) for at in range(COUNT)]
    records.insert(7, (b"\0", b"neither the one nor the other"))
    sent = produce(kafka_bootstrap, data, records)
    message = message_of(sent, total_msg=COUNT + 1, test_rate=0.2, **stream)
    announce(kafka_bootstrap, control, message)
    attempts = InMemoryAttempts(
        training_order(
            control,
            source=source + COMPILE,
            epochs=20,
            batch_size=8,
            seed=1,
            bad_records={"action": "skip", "max_rate": 0.1},
        )
    )

    kafka = KafkaSettings(bootstrap_servers=kafka_bootstrap)
    code = run(attempts=attempts, settings=settings, kafka=kafka, standby=standby)

    assert code == ExitCode.ACCEPTED, attempts.accepted_failure
    assert attempts.accepted_result is not None
    result = attempts.accepted_result.result
    assert result.input_shape == shape
    assert (result.counts.training, result.counts.test) == (48, 12)
    assert result.test["accuracy"] == 1
    assert result.skipped is not None
    assert [each.coordinates for each in result.skipped.first] == [f"{data}:0:7"]
