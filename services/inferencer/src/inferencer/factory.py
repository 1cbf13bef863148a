"""Builds a replica from its settings, its order and its engine."""

from dataclasses import dataclass

from inferencer.answers import AnswerWriter
from inferencer.assignment import Assignment
from inferencer.clients import make_consumer, make_producer
from inferencer.codecs import codec_of
from inferencer.config import InferencerSettings
from inferencer.dead_letters import DeadLetterWriter
from inferencer.delivery import Delivery
from inferencer.engines.base import Engine
from inferencer.health import Health
from inferencer.metrics import Metrics
from inferencer.offsets import AnsweredOffsets
from inferencer.pace import Backoff, BatchLimit
from inferencer.replies import ReplyMaker
from inferencer.report import Reporter
from inferencer.stream import Stream
from kafkaml.schemas.attempts import InferenceOrder


@dataclass(frozen=True, slots=True, kw_only=True)
class Replica:
    """One replica, ready to serve."""

    stream: Stream
    health: Health
    metrics: Metrics


def build_replica(
    *,
    settings: InferencerSettings,
    order: InferenceOrder,
    engine: Engine,
    reporter: Reporter,
) -> Replica:
    """Return a replica; raise RecordFormatError if its records cannot fit its model."""
    health = Health()
    metrics = Metrics()
    dead_letters = DeadLetterWriter(topic=order.dead_letter_topic)
    replies = ReplyMaker(
        codec=codec_of(order),
        engine=engine,
        answers=AnswerWriter(order=order),
        dead_letters=dead_letters,
        metrics=metrics,
    )
    delivery = Delivery(
        producer=make_producer(settings, inference_id=order.inference_id),
        dead_letters=dead_letters,
        patience_seconds=settings.delivery_seconds,
        metrics=metrics,
    )
    consumer = make_consumer(settings, inference_id=order.inference_id)
    offsets = AnsweredOffsets(consumer=consumer)
    stream = Stream(
        consumer=consumer,
        assignment=Assignment(consumer=consumer, offsets=offsets, start=order.start),
        offsets=offsets,
        replies=replies,
        delivery=delivery,
        limit=BatchLimit(
            most_records=settings.batch_records, most_seconds=settings.batch_seconds
        ),
        backoff=Backoff(),
        health=health,
        metrics=metrics,
        on_joined=reporter.serving,
    )
    return Replica(stream=stream, health=health, metrics=metrics)
