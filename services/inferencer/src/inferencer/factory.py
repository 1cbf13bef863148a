"""Builds a replica from its settings, its order and its engine."""

from dataclasses import dataclass
from functools import partial

from confluent_kafka import Consumer

from inferencer.assignment import Assignment
from inferencer.at_least_once import AtLeastOnce
from inferencer.brake import Brake
from inferencer.clients import (
    make_consumer,
    make_producer,
    make_transactional_producer,
)
from inferencer.codecs import codec_of
from inferencer.config import InferencerSettings
from inferencer.dead_letters import DeadLetterWriter
from inferencer.delivery import Delivery
from inferencer.drift import DriftWatch
from inferencer.exactly_once import ExactlyOnce
from inferencer.guarantees import ReplyGuarantee
from inferencer.health import Health
from inferencer.lag import Lag
from inferencer.metrics import Metrics
from inferencer.model_metrics import ModelCollector
from inferencer.models import Engines, ModelBuilder
from inferencer.offsets import AnsweredOffsets
from inferencer.pace import Backoff, BatchLimit
from inferencer.report import Reporter
from inferencer.rest.factory import build_routes
from inferencer.rest.routes import Routes
from inferencer.served_model import ServedModel
from inferencer.stream import Stream
from inferencer.suspects import Suspects
from inferencer.transactions import Transactions
from kafkaml.schemas.attempts import InferenceOrder
from kafkaml.schemas.outputs import Guarantee

LEAST_BATCH_RECORDS = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Replica:
    """One replica, ready to serve."""

    stream: Stream
    model: ServedModel
    builder: ModelBuilder
    brake: Brake
    health: Health
    metrics: Metrics
    drift: DriftWatch
    routes: Routes


def build_replica(
    *,
    settings: InferencerSettings,
    order: InferenceOrder,
    engines: Engines,
    reporter: Reporter,
    key: str,
) -> Replica:
    """Return a replica; raise RecordFormatError if its records cannot fit its model.

    `key` is what those have to show who ask it over HTTP.
    """
    health = Health(stuck_seconds=settings.silence_seconds)
    metrics = Metrics()
    drift = DriftWatch()
    dead_letters = DeadLetterWriter(topic=order.dead_letter_topic)
    codec = codec_of(order)
    builder = ModelBuilder(
        settings=settings,
        codec=codec,
        dead_letters=dead_letters,
        metrics=metrics,
        drift=drift,
    )
    model = ServedModel(builder.build(order, engines))
    metrics.registry.register(ModelCollector(model))
    consumer = make_consumer(settings, order)
    guarantee = _guarantee(
        settings=settings,
        order=order,
        consumer=consumer,
        dead_letters=dead_letters,
        metrics=metrics,
    )
    brake = Brake(order=order, dead_letters=dead_letters, report=reporter.paused)
    suspects = Suspects(consumer=consumer, dead_letters=dead_letters)
    assignment = Assignment(
        consumer=consumer, guarantee=guarantee, suspects=suspects, start=order.start
    )
    stream = Stream(
        consumer=consumer,
        assignment=assignment,
        guarantee=guarantee,
        suspects=suspects,
        model=model,
        limit=BatchLimit(
            most_records=_batch_records(settings), most_seconds=settings.batch_seconds
        ),
        backoff=Backoff(),
        brake=brake,
        health=health,
        metrics=metrics,
        lag=Lag(consumer=consumer, assignment=assignment, metrics=metrics),
        on_joined=reporter.serving,
    )
    routes = build_routes(
        order=order,
        codec=codec,
        model=model,
        health=health,
        metrics=metrics,
        key=key,
        is_open=settings.predict_auth == "none",
    )
    return Replica(
        stream=stream,
        model=model,
        builder=builder,
        brake=brake,
        health=health,
        metrics=metrics,
        drift=drift,
        routes=routes,
    )


def _guarantee(
    *,
    settings: InferencerSettings,
    order: InferenceOrder,
    consumer: Consumer,
    dead_letters: DeadLetterWriter,
    metrics: Metrics,
) -> ReplyGuarantee:
    if order.guarantee is Guarantee.EXACTLY_ONCE:
        return ExactlyOnce(
            consumer=consumer,
            transactions=Transactions(
                make_producer=partial(make_transactional_producer, settings, order),
                patience_seconds=settings.delivery_seconds,
            ),
            dead_letters=dead_letters,
            window_seconds=settings.transaction_seconds,
            patience_seconds=settings.delivery_seconds,
            metrics=metrics,
        )
    delivery = Delivery(
        producer=make_producer(settings, order),
        dead_letters=dead_letters,
        patience_seconds=settings.delivery_seconds,
        metrics=metrics,
    )
    return AtLeastOnce(
        delivery=delivery,
        offsets=AnsweredOffsets(consumer=consumer),
        metrics=metrics,
        most_records=settings.batch_records,
    )


def _batch_records(settings: InferencerSettings) -> int:
    """Return how many records make a batch: a quarter of what may be uncommitted.

    So the others are delivered and committed while one is predicted. What is small as it is
    stays whole, for each batch costs something.
    """
    return min(
        settings.batch_records, max(LEAST_BATCH_RECORDS, settings.batch_records // 4)
    )
