"""Builds a replica from its settings, its order and its engine."""

from dataclasses import dataclass
from functools import partial

import numpy as np
from confluent_kafka import Consumer

from inferencer.answers import AnswerWriter, EarlyExitWriter
from inferencer.assignment import Assignment
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
from inferencer.engines.base import Engine
from inferencer.engines.early_exit import EarlyExitEngine
from inferencer.exactly_once import ExactlyOnce
from inferencer.exceptions import PredictionError
from inferencer.guarantees import Offsets, ReplyDelivery
from inferencer.health import Health
from inferencer.lag import Lag
from inferencer.metrics import Metrics
from inferencer.offsets import AnsweredOffsets
from inferencer.outputs import check_label
from inferencer.pace import Backoff, BatchLimit
from inferencer.replies import ReplyMaker
from inferencer.report import Reporter
from inferencer.rest.factory import build_routes
from inferencer.rest.routes import Routes
from inferencer.served_model import ServedModel
from inferencer.stream import Stream
from inferencer.transactions import Transactions
from kafkaml.schemas.attempts import InferenceOrder
from kafkaml.schemas.outputs import Guarantee, OutputFormat


@dataclass(frozen=True, slots=True, kw_only=True)
class Replica:
    """One replica, ready to serve."""

    stream: Stream
    brake: Brake
    health: Health
    metrics: Metrics
    drift: DriftWatch
    routes: Routes


def build_replica(
    *,
    settings: InferencerSettings,
    order: InferenceOrder,
    engine: Engine,
    reporter: Reporter,
    key: str,
) -> Replica:
    """Return a replica; raise RecordFormatError if its records cannot fit its model.

    `key` is what those have to show who ask it over HTTP.
    """
    health = Health()
    metrics = Metrics()
    drift = DriftWatch()
    dead_letters = DeadLetterWriter(topic=order.dead_letter_topic)
    codec = codec_of(order)
    replies = ReplyMaker(
        codec=codec,
        engine=engine,
        answers=_answers(order, engine),
        dead_letters=dead_letters,
        metrics=metrics,
        drift=drift,
    )
    model = ServedModel(engine=engine, replies=replies)
    consumer = make_consumer(settings, order)
    delivery, offsets = _guarantee(
        settings=settings,
        order=order,
        consumer=consumer,
        dead_letters=dead_letters,
        metrics=metrics,
    )
    brake = Brake(order=order, dead_letters=dead_letters, report=reporter.paused)
    assignment = Assignment(consumer=consumer, offsets=offsets, start=order.start)
    stream = Stream(
        consumer=consumer,
        assignment=assignment,
        offsets=offsets,
        model=model,
        delivery=delivery,
        limit=BatchLimit(
            most_records=settings.batch_records, most_seconds=settings.batch_seconds
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
        brake=brake,
        health=health,
        metrics=metrics,
        drift=drift,
        routes=routes,
    )


def _answers(order: InferenceOrder, engine: Engine) -> AnswerWriter | EarlyExitWriter:
    answers = AnswerWriter(order=order)
    _check_output(order, engine)
    if not isinstance(engine, EarlyExitEngine) or order.early_exit is None:
        return answers
    return EarlyExitWriter(
        answers=answers,
        answer_width=engine.answer_width,
        limit=order.early_exit.limit,
        upper_topic=order.early_exit.upper_topic,
    )


def _check_output(order: InferenceOrder, engine: Engine) -> None:
    """Raise RecordFormatError if the model's answers cannot be written as ordered."""
    if order.output_format is not OutputFormat.LABEL:
        return
    try:
        [answer] = engine.predict(np.zeros((1, *engine.input_shape), np.float32))
    except PredictionError:
        return  # nothing can be made up for this model
    shape = answer.shape
    if isinstance(engine, EarlyExitEngine):
        shape = (engine.answer_width,)
    check_label(order.output_config, shape)


def _guarantee(
    *,
    settings: InferencerSettings,
    order: InferenceOrder,
    consumer: Consumer,
    dead_letters: DeadLetterWriter,
    metrics: Metrics,
) -> tuple[ReplyDelivery, Offsets]:
    if order.guarantee is Guarantee.EXACTLY_ONCE:
        both = ExactlyOnce(
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
        return both, both
    delivery = Delivery(
        producer=make_producer(settings, order),
        dead_letters=dead_letters,
        patience_seconds=settings.delivery_seconds,
        metrics=metrics,
    )
    return delivery, AnsweredOffsets(consumer=consumer)
