"""What is known of a canary and a shadow, and what they cannot do, on a real broker."""

import base64
from collections.abc import Callable

import orjson
import pytest

from inferencer.rest.messages import HttpRequest
from inferencer.testing import SumEngine
from kafkaml.records.base import Array
from kafkaml.schemas.attempts import InferenceOrder
from kafkaml.schemas.dead_letters import DeadLetterLimit
from kafkaml.schemas.served_models import CanaryOrder, ModelOrder
from kafkaml.schemas.statistics import ModelFigures, ModelRole
from kafkaml.schemas.trainings import Artifact

from .orders import FEATURES, value_of
from .replicas import RunningReplica, running_replica
from .topics import Topics, eventually

ARTIFACT = Artifact(size_bytes=1, sha256="0" * 64)
OTHER = ModelOrder(
    training_id=9, model_version=2, artifact=ARTIFACT, input_shape=[FEATURES]
)
RECORDS = 400


class TurnedEngine(SumEngine):
    """Gives the answers of SumEngine the other way round and negative."""

    def predict(self, batch: Array) -> Array:
        return -super().predict(batch)


class ManyFailures(SumEngine):
    """Cannot predict anything."""

    def __init__(self) -> None:
        super().__init__(input_shape=(FEATURES,), poison=0.0)


class Raising(SumEngine):
    """Fails in a way that no engine is allowed to."""

    def predict(self, batch: Array) -> Array:
        raise RuntimeError(f"no idea what to do with {len(batch)} records")


@pytest.fixture
def limited(order: InferenceOrder) -> InferenceOrder:
    limit = DeadLetterLimit(rate=0.5, window_records=20)
    return order.model_copy(update={"dead_letter_limit": limit})


def figures(running: RunningReplica) -> dict[ModelRole, ModelFigures]:
    return {each.role: each.figures for each in running.replica.model.counts}


def test_each_model_has_figures_of_its_own(
    kafka_bootstrap: str, topics: Topics, order: InferenceOrder
) -> None:
    canary = CanaryOrder(**dict(OTHER), share=0.25)
    order = order.model_copy(update={"canary": canary, "revision": 4})
    for number in range(RECORDS):
        topics.send(order.input_topic, [value_of(number + 1)], key=b"%d" % number)

    engine = TurnedEngine(input_shape=(FEATURES,), poison=3.0)
    with running_replica(kafka_bootstrap, order, canary=engine) as running:
        eventually(
            lambda: (
                topics.count(order.output_topic) + topics.count(order.dead_letter_topic)
                == RECORDS
            )
        )
        found = figures(running)

    primary, second = found[ModelRole.PRIMARY], found[ModelRole.CANARY]
    assert primary.answered + second.answered + second.failed == RECORDS
    assert 50 < second.answered < 150
    assert (second.training_id, second.model_version, second.revision) == (9, 2, 4)
    assert primary.score_sum > 0 > second.score_sum
    assert sum(primary.classes.values()) == primary.answered
    assert sum(primary.call_counts) > 0 < sum(second.call_counts)
    assert primary.failed == 0


@pytest.mark.parametrize("make_engine", [ManyFailures, lambda: Raising(input_shape=(4,))])
def test_a_shadow_that_fails_pauses_nothing_and_is_seen(
    kafka_bootstrap: str,
    topics: Topics,
    limited: InferenceOrder,
    make_engine: Callable[[], SumEngine],
) -> None:
    order = limited.model_copy(update={"shadow": OTHER, "shadow_topic": "side"})
    with running_replica(kafka_bootstrap, order, shadow=make_engine()) as running:
        for number in range(0, RECORDS, 50):
            topics.send(order.input_topic, map(value_of, range(number, number + 50)))
            topics.read(order.output_topic, number + 50)
        eventually(lambda: figures(running)[ModelRole.SHADOW].failed == RECORDS)
        assert not running.replica.brake.is_on
        shadow = figures(running)[ModelRole.SHADOW]

    assert shadow.answered == 0
    assert shadow.trouble is not None
    assert not running.attempts.pause_reports
    assert topics.count(order.dead_letter_topic) == 0


def test_answers_of_a_shadow_that_kafka_does_not_take_are_seen(
    kafka_bootstrap: str, topics: Topics, order: InferenceOrder
) -> None:
    order = order.model_copy(update={"shadow": OTHER, "shadow_topic": "there-is-none"})
    shadow = SumEngine(input_shape=(FEATURES,))
    topics.send(order.input_topic, map(value_of, range(20)))
    with running_replica(
        kafka_bootstrap, order, shadow=shadow, delivery_seconds=1.0
    ) as running:
        topics.read(order.output_topic, 20)
        eventually(lambda: figures(running)[ModelRole.SHADOW].unsent == 20)
        assert figures(running)[ModelRole.SHADOW].trouble


def test_bad_records_that_are_asked_by_http_pause_no_stream(
    kafka_bootstrap: str, topics: Topics, limited: InferenceOrder
) -> None:
    bad = base64.b64encode(b"short").decode()
    request = orjson.dumps({"base64": [bad] * 100})
    with running_replica(kafka_bootstrap, limited) as running:
        for number in range(0, 100, 10):
            answer = running.replica.routes.answer(HttpRequest("POST", "/records", request))
            assert len(orjson.loads(answer.body)["answers"]) == 100
            topics.send(limited.input_topic, map(value_of, range(number, number + 10)))
            topics.read(limited.output_topic, number + 10)
        assert not running.replica.brake.is_on
