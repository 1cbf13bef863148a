"""What a user may get wrong, and what the platform says."""

import json

import numpy as np
import pytest
from confluent_kafka import Producer

from kafkaml.client import Client
from kafkaml.control import key_of
from kafkaml.schemas.deployments import Deployment
from kafkaml.schemas.models import ModelVersion
from kafkaml.schemas.states import (
    DatasourceState,
    FailureReason,
    ModelVersionState,
    TrainingState,
)
from kafkaml.schemas.trainings import Failure
from kafkaml.sinks import RawSink
from tests.e2e.scenarios import PATIENCE, deploy, stream, unique
from tests.support.platform import RunningPlatform
from tests.support.waiting import eventually

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

BAD_SOURCES = {
    "import keras\nmodel = keras.Sequential([\n": 2,
    "import keras\n": None,
    "import os\nos._exit(0)\n": None,
    "import keras\nmodel = keras.Sequential([keras.Input((1,))])\n": None,
}


def test_bad_sources_become_invalid_versions_that_say_why(client: Client) -> None:
    ids = {
        source: client.models.create(name=unique("bad"), source=source).id
        for source in BAD_SOURCES
    }

    def versions() -> list[ModelVersion] | None:
        found = [client.models.get(each).version for each in ids.values()]
        ended = all(each.state is not ModelVersionState.CHECKING for each in found)
        return found if ended else None

    for version, line in zip(
        eventually(versions, PATIENCE), BAD_SOURCES.values(), strict=True
    ):
        assert version.state is ModelVersionState.INVALID
        assert version.error is not None
        assert version.error.message
        if line is not None:
            assert version.error.line is not None
            assert version.error.line >= line


def test_control_messages_that_break_a_rule_are_recorded_as_rejected(
    platform: RunningPlatform, client: Client
) -> None:
    deployment = deploy(client)
    good = {
        "topic": "nothing:0:0:5",
        "input_format": "RAW",
        "input_config": {
            "data_type": "float32",
            "data_reshape": "4",
            "label_type": "uint8",
        },
    }
    bad = {
        "not JSON": (key_of(deployment.id), b"<xml/>"),
        "leave nothing": (
            key_of(deployment.id),
            _json(good | {"validation_rate": 0.6, "test_rate": 0.4}),
        ),
        "no deployment": (key_of(2**31), _json(good)),
        "ends before": (key_of(deployment.id), _json(good | {"topic": "nothing:0:5:1"})),
    }
    for key, value in bad.values():
        _produce(platform, deployment.control_topic, key, value)

    def rejections() -> list[str] | None:
        found = client.datasources.list(state=DatasourceState.REJECTED)
        texts = [source.rejection or "" for source in found]
        return texts if len(texts) >= len(bad) else None

    texts = eventually(rejections, PATIENCE)
    for part in bad:
        assert any(part in text for text in texts), (part, texts)
    training = client.trainings.get(deployment.trainings[0].id)
    assert not training.state.is_final
    client.trainings.stop(training.id)


@pytest.mark.parametrize("fault", ["short", "label", "length"])
def test_a_bad_stream_ends_the_training_in_a_named_failure(
    platform: RunningPlatform, client: Client, fault: str
) -> None:
    deployment = deploy(client, epochs=1)
    if fault == "short":
        _announce(platform, deployment, topic=f"{_records(platform, 10)}:0:0:99", total=99)
        expected, text = FailureReason.DATA_SHORT, "10"
    elif fault == "label":
        topic = unique("labels")
        with RawSink(
            topic=topic,
            deployment_id=deployment.id,
            bootstrap_servers=platform.bootstrap_servers,
        ) as sink:
            labels = np.array([0, 1, 2, 7, 1], dtype=np.uint8)
            sink.send_many(np.zeros((5, 4), dtype=np.float32), labels)
        expected, text = FailureReason.BAD_STREAM, f"{topic}:0:3"
    else:
        topic = _records(platform, 10)
        _produce(platform, topic, b"\x00", b"too short")
        _announce(platform, deployment, topic=f"{topic}:0:0:11", total=11)
        expected, text = FailureReason.BAD_STREAM, f"{topic}:0:10"
    failure = _failure(client, deployment)
    assert failure.reason is expected
    assert text in failure.message


def test_a_stopped_training_can_be_tried_again(
    platform: RunningPlatform, client: Client
) -> None:
    deployment = deploy(client, epochs=1)
    training = deployment.trainings[0]
    assert client.trainings.stop(training.id).state is TrainingState.STOPPED
    stream(platform.bootstrap_servers, deployment, count=60)
    assert client.trainings.retry(training.id).attempt == 2
    finished = client.deployments.wait_finished(deployment.id, timeout=PATIENCE)
    assert finished.trainings[0].state is TrainingState.FINISHED


def _failure(client: Client, deployment: Deployment) -> Failure:
    training_id = deployment.trainings[0].id
    client.trainings.wait(training_id, states=[TrainingState.FAILED], timeout=PATIENCE)
    failure = client.trainings.get(training_id).failure
    assert failure is not None
    return failure


def _records(platform: RunningPlatform, count: int) -> str:
    topic = unique("points")
    for index in range(count):
        point = np.zeros(4, dtype=np.float32).tobytes()
        _produce(platform, topic, bytes([index % 3]), point)
    return topic


def _announce(
    platform: RunningPlatform, deployment: Deployment, *, topic: str, total: int
) -> None:
    value = {
        "topic": topic,
        "input_format": "RAW",
        "input_config": {
            "data_type": "float32",
            "data_reshape": "4",
            "label_type": "uint8",
            "label_reshape": None,
        },
        "total_msg": total,
    }
    _produce(platform, deployment.control_topic, key_of(deployment.id), _json(value))


def _produce(platform: RunningPlatform, topic: str, key: bytes, value: bytes) -> None:
    producer = Producer({"bootstrap.servers": platform.bootstrap_servers})
    producer.produce(topic, value=value, key=key)
    assert producer.flush(30) == 0


def _json(value: object) -> bytes:
    return json.dumps(value).encode()
