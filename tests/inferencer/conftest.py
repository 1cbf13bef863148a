"""Topics and orders of one test."""

import hashlib
import itertools
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from kafkaml.schemas.attempts import InferenceOrder

from .orders import inference_order
from .processes import Start, starting
from .topics import Topics

_ids = itertools.count(secrets.randbits(30) + 1)


@pytest.fixture
def topics(kafka_bootstrap: str) -> Topics:
    return Topics(kafka_bootstrap)


@pytest.fixture
def order(topics: Topics, topic_name: Callable[[str], str]) -> InferenceOrder:
    """An inference of its own, with an input topic of four partitions."""
    order = inference_order(
        inference_id=next(_ids),
        input_topic=topic_name("in"),
        output_topic=topic_name("out"),
    )
    topics.create(order.input_topic, 4)
    topics.create(order.output_topic, 2)
    topics.create(order.dead_letter_topic, 2)
    return order


@pytest.fixture
def whole_order(order: InferenceOrder) -> InferenceOrder:
    """An order whose artifact is the empty file, which the fake engine does with."""
    artifact = order.artifact.model_copy(update={"sha256": hashlib.sha256().hexdigest()})
    return order.model_copy(update={"artifact": artifact})


@pytest.fixture
def start(tmp_path: Path, kafka_bootstrap: str) -> Iterator[Start]:
    """Start replicas in processes of their own."""
    with starting(tmp_path, kafka_bootstrap) as start_one:
        yield start_one
