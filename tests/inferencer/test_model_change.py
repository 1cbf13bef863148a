"""Other models while records are answered, on a real broker."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from threading import Event, Thread

import numpy as np
import orjson
import pytest
from confluent_kafka import Message

from inferencer.answers import MODEL_HEADER, SOURCE_HEADER
from inferencer.config import InferencerSettings
from inferencer.engines.base import ArtifactSource, LoadedEngine
from inferencer.exceptions import ArtifactModelError
from inferencer.main import run
from inferencer.testing import MemoryAttempts, SumEngine
from kafkaml.records.base import Array
from kafkaml.schemas.attempts import InferenceOrder
from kafkaml.schemas.outputs import Guarantee
from kafkaml.schemas.served_models import CanaryOrder, ModelOrder, RefusalReport
from kafkaml.schemas.trainings import Artifact

from .orders import FEATURES, order_of, value_of
from .topics import Topics, eventually

FIRST = 7  # of `inference_order`
RAISES = 4
BROKEN = 5
ARTIFACT = Artifact(size_bytes=1, sha256="0" * 64)


class RaisingEngine(SumEngine):
    """Fails in a way that no engine is allowed to."""

    def predict(self, batch: Array) -> Array:
        raise RuntimeError(f"no idea what to do with {len(batch)} records")


class AddingEngine(SumEngine):
    """Adds a number to each sum, so that an answer tells which model it is of."""

    def __init__(self, number: float) -> None:
        super().__init__(input_shape=(FEATURES,))
        self._number = number

    def predict(self, batch: Array) -> Array:
        return super().predict(batch) + np.float32(self._number)


class Loader:
    """Makes an engine that adds a million for each id of a training."""

    def load(self, order: InferenceOrder, source: ArtifactSource) -> LoadedEngine:  # noqa: ARG002
        if order.training_id == BROKEN:
            raise ArtifactModelError("the file is broken")
        if order.training_id == RAISES:
            return LoadedEngine(engine=RaisingEngine(input_shape=(FEATURES,)))
        return LoadedEngine(engine=AddingEngine(order.training_id * 1e6))


@dataclass
class Serving:
    """A whole replica, which asks for its order very often."""

    order: InferenceOrder
    attempts: MemoryAttempts
    stop: Event = field(default_factory=Event)

    def change(self, **fields: object) -> None:
        self.order = self.order.model_copy(
            update=fields | {"revision": self.order.revision + 1}
        )
        self.attempts.change_order(order_of(self.order))

    @property
    def revisions(self) -> list[int | None]:
        return [each.revision for each in self.attempts.progress_reports]

    def wait_for(self, revision: int) -> None:
        eventually(lambda: revision in self.revisions)


@contextmanager
def serving(
    kafka_bootstrap: str,
    order: InferenceOrder,
    attempts: type[MemoryAttempts] = MemoryAttempts,
) -> Iterator[Serving]:
    running = Serving(order, attempts(order=order_of(order)))
    settings = InferencerSettings(
        bootstrap_servers=kafka_bootstrap, order_seconds=0.05, batch_records=50
    )
    codes: list[int] = []
    thread = Thread(
        target=lambda: codes.append(
            run(
                settings=settings,
                attempts=running.attempts,
                loader=Loader(),
                stop=running.stop,
            )
        )
    )
    thread.start()
    try:
        yield running
    finally:
        running.stop.set()
        thread.join(30)
    assert codes == [143]


def model(training_id: int) -> ModelOrder:
    return ModelOrder(
        training_id=training_id, model_version=1, artifact=ARTIFACT, input_shape=[FEATURES]
    )


def canary(training_id: int, share: float) -> CanaryOrder:
    return CanaryOrder(**dict(model(training_id)), share=share)


def answered_by(messages: list[Message]) -> dict[int, int]:
    """Return which training answered each number, once that is seen to be true."""
    sources = Counter(dict(each.headers())[SOURCE_HEADER] for each in messages)
    assert set(sources.values()) <= {1}
    trainings = {}
    for each in messages:
        told = int(dict(each.headers())[MODEL_HEADER].partition(b"/")[0])
        training, number = divmod(orjson.loads(each.value())["values"][0], 1e6)
        assert training == told
        assert number not in trainings
        trainings[int(number)] = told
    return trainings


@pytest.mark.parametrize("guarantee", list(Guarantee))
def test_models_change_under_load_and_every_record_is_answered_once(
    kafka_bootstrap: str, topics: Topics, order: InferenceOrder, guarantee: Guarantee
) -> None:
    order = order.model_copy(update={"guarantee": guarantee})

    changed = Event()
    changes: list[dict[str, object]] = [
        {"training_id": 2},
        {"canary": canary(3, 0.3)},
        {"training_id": 1},
    ]
    sent = 0

    def has_more(before: int) -> bool:
        return topics.count(order.output_topic) > before

    def send() -> None:
        nonlocal sent
        while sent < 10_000 or not changed.is_set():
            topics.send(order.input_topic, map(value_of, range(sent, sent + 200)))
            sent += 200
            changed.wait(0.02)

    with serving(kafka_bootstrap, order) as running:
        running.wait_for(1)
        sender = Thread(target=send)
        sender.start()
        for revision, fields in enumerate(changes, start=2):
            before = topics.count(order.output_topic)
            eventually(partial(has_more, before))
            running.change(**fields)
            running.wait_for(revision)
        changed.set()
        sender.join()
        answers = topics.read_committed(order.output_topic, sent)

    trainings = answered_by(answers)
    assert trainings.keys() == set(range(sent))
    assert set(trainings.values()) == {FIRST, 2, 3, 1}
    assert topics.count(order.dead_letter_topic) == 0
    group = f"kafkaml-inference-{order.inference_id}"
    assert topics.committed(group, order.input_topic) == sent


def test_a_canary_answers_its_share_of_the_keys_and_no_other(
    kafka_bootstrap: str, topics: Topics, order: InferenceOrder
) -> None:
    order = order.model_copy(update={"revision": 2, "canary": canary(3, 0.25)})
    for number in range(2000):
        topics.send(order.input_topic, [value_of(number)], key=b"%d" % (number % 500))

    with serving(kafka_bootstrap, order):
        trainings = answered_by(topics.read(order.output_topic, 2000))

    by_key = [{trainings[number] for number in range(key, 2000, 500)} for key in range(500)]
    assert all(len(each) == 1 for each in by_key)
    assert abs(sum(each == {3} for each in by_key) / 500 - 0.25) < 0.06


def test_a_shadow_answers_everything_beside(
    kafka_bootstrap: str, topics: Topics, order: InferenceOrder
) -> None:
    topic = f"{order.output_topic}.shadow"
    topics.create(topic)
    order = order.model_copy(update={"shadow": model(2), "shadow_topic": topic})
    topics.send(order.input_topic, [*map(value_of, range(100)), b"bad"])

    with serving(kafka_bootstrap, order):
        answers = answered_by(topics.read(order.output_topic, 100))
        shadowed = answered_by(topics.read(topic, 100))
        topics.read(order.dead_letter_topic, 1)

    assert set(answers.values()) == {FIRST}
    assert shadowed == dict.fromkeys(range(100), 2)
    assert topics.count(order.dead_letter_topic) == 1


@pytest.mark.parametrize("training_id", [RAISES, 2])
def test_a_shadow_that_fails_or_cannot_write_touches_no_answer(
    kafka_bootstrap: str, topics: Topics, order: InferenceOrder, training_id: int
) -> None:
    order = order.model_copy(
        update={"shadow": model(training_id), "shadow_topic": "there-is-no-such-topic"}
    )
    topics.send(order.input_topic, map(value_of, range(1000)))

    with serving(kafka_bootstrap, order):
        answers = answered_by(topics.read(order.output_topic, 1000))

    assert answers == dict.fromkeys(range(1000), FIRST)
    assert topics.count(order.dead_letter_topic) == 0


def test_a_model_that_cannot_be_loaded_leaves_the_old_one_serving(
    kafka_bootstrap: str, topics: Topics, order: InferenceOrder
) -> None:
    with serving(kafka_bootstrap, order) as running:
        running.wait_for(1)
        running.change(training_id=BROKEN)
        eventually(lambda: bool(running.attempts.refusal_reports))
        topics.send(order.input_topic, map(value_of, range(10)))
        answers = answered_by(topics.read(order.output_topic, 10))
        running.change(training_id=2)
        running.wait_for(3)
        topics.send(order.input_topic, [value_of(10)])
        after = answered_by(topics.read(order.output_topic, 11))

    assert answers == dict.fromkeys(range(10), FIRST)
    assert after[10] == 2
    [refusal] = running.attempts.refusal_reports
    assert (refusal.revision, refusal.reason) == (2, "the file is broken")
    assert not running.attempts.failure_reports


class TakenBack(MemoryAttempts):
    """Wants the models before once the newer ones were refused."""

    def refusal(self, report: RefusalReport) -> None:
        super().refusal(report)
        order = self.order().inference
        assert order is not None
        self.change_order(
            order_of(order.model_copy(update={"revision": 3, "training_id": 2}))
        )


def test_a_replica_that_starts_with_broken_models_goes_on_with_the_ones_before(
    kafka_bootstrap: str, topics: Topics, order: InferenceOrder
) -> None:
    order = order.model_copy(update={"revision": 2, "training_id": BROKEN})
    topics.send(order.input_topic, [value_of(0)])

    with serving(kafka_bootstrap, order, TakenBack) as running:
        answers = answered_by(topics.read(order.output_topic, 1))
        running.wait_for(3)

    assert answers == {0: 2}
    assert [each.revision for each in running.attempts.refusal_reports] == [2]
