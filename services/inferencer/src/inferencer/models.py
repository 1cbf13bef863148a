"""The models that a replica serves together, and how they are made of an order."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from inferencer.answers import AnswerWriter, EarlyExitWriter
from inferencer.clients import make_producer
from inferencer.codecs import codec_of
from inferencer.config import InferencerSettings
from inferencer.dead_letters import DeadLetterWriter
from inferencer.drift import DriftWatch
from inferencer.engines.base import ArtifactSource, Engine, EngineLoader
from inferencer.engines.early_exit import EarlyExitEngine
from inferencer.exceptions import PredictionError
from inferencer.metrics import Metrics
from inferencer.model_counts import ModelCounts
from inferencer.outputs import check_label
from inferencer.replies import Answering, Canary, ReplyMaker
from inferencer.shadow import Shadow, ShadowMetrics
from kafkaml.records.base import Codec
from kafkaml.schemas.attempts import InferenceOrder
from kafkaml.schemas.engines import EngineReport
from kafkaml.schemas.outputs import OutputFormat
from kafkaml.schemas.statistics import ModelRole


@dataclass(frozen=True, slots=True, kw_only=True)
class Engines:
    """The engines of an order's models; `report` is about the primary one."""

    primary: Engine
    canary: Engine | None = None
    shadow: Engine | None = None
    report: EngineReport | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Models:
    """What answers the records from one batch to another."""

    revision: int
    version: str
    engine: Engine
    replies: ReplyMaker
    asked: ReplyMaker
    counts: Sequence[ModelCounts]
    shadow: Shadow | None = None


def load_engines(
    order: InferenceOrder, *, loader: EngineLoader, source: ArtifactSource
) -> Engines:
    """Return the engine of each model; raise UnusableOrderError if one has none."""
    primary = loader.load(order, source)
    others = {
        role: loader.load(order.for_model(model), source).engine
        for role, model in (("canary", order.canary), ("shadow", order.shadow))
        if model is not None
    }
    return Engines(primary=primary.engine, report=primary.report, **others)


class ModelBuilder:
    """Makes what answers out of engines, for one replica."""

    def __init__(
        self,
        *,
        settings: InferencerSettings,
        codec: Codec,
        dead_letters: DeadLetterWriter,
        metrics: Metrics,
        drift: DriftWatch,
    ) -> None:
        self._settings = settings
        self._codec = codec
        self._dead_letters = dead_letters
        self._metrics = metrics
        self._drift = drift
        self._shadow_metrics = ShadowMetrics(metrics.registry)

    def build(self, order: InferenceOrder, engines: Engines) -> Models:
        """Return the models; raise RecordFormatError if they cannot answer as ordered."""
        primary = _answering(order, engines.primary, ModelRole.PRIMARY)
        canary = _canary(order, engines.canary)
        shadow = self._shadow(order, engines.shadow)
        return Models(
            revision=order.revision,
            version=f"{order.training_id}.{order.model_version}",
            engine=engines.primary,
            replies=ReplyMaker(
                codec=self._codec,
                primary=primary,
                dead_letters=self._dead_letters,
                metrics=self._metrics,
                drift=self._drift,
                canary=canary,
            ),
            asked=self._uncounted(codec=self._codec, primary=primary, canary=canary),
            counts=[each.counts for each in (primary, canary, shadow) if each],
            shadow=shadow,
        )

    def _shadow(self, order: InferenceOrder, engine: Engine | None) -> Shadow | None:
        """Return a shadow that shares nothing with those that answer, nor counts as one."""
        topic = order.shadow_topic
        if engine is None or order.shadow is None or topic is None:
            return None
        to_shadow = order.for_model(order.shadow).model_copy(update={"output_topic": topic})
        answering = _answering(to_shadow, engine, ModelRole.SHADOW)
        return Shadow(
            replies=self._uncounted(codec=codec_of(order), primary=answering),
            topic=topic,
            producer=make_producer(self._settings, order),
            metrics=self._shadow_metrics,
            counts=answering.counts,
        )

    def _uncounted(
        self, *, codec: Codec, primary: Answering, canary: Canary | None = None
    ) -> ReplyMaker:
        """Return what makes replies that are none of the stream.

        Were their dead letters counted with those of the stream, they could pause it.
        """
        return ReplyMaker(
            codec=codec,
            primary=primary,
            dead_letters=DeadLetterWriter(topic=self._dead_letters.topic),
            metrics=Metrics(),
            drift=DriftWatch(),
            canary=canary,
        )


def _canary(order: InferenceOrder, engine: Engine | None) -> Canary | None:
    if engine is None or order.canary is None:
        return None
    answering = _answering(order.for_model(order.canary), engine, ModelRole.CANARY)
    return Canary(
        engine=engine,
        answers=answering.answers,
        counts=answering.counts,
        share=order.canary.share,
    )


def _answering(order: InferenceOrder, engine: Engine, role: ModelRole) -> Answering:
    width = engine.answer_width if isinstance(engine, EarlyExitEngine) else None
    return Answering(
        engine=engine,
        answers=_answers(order, engine),
        counts=ModelCounts(role=role, order=order, answer_width=width),
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
