"""Changes the models of a replica while it answers."""

import threading

import structlog

from inferencer.engines.base import EngineLoader
from inferencer.exceptions import (
    AttemptOverError,
    AttemptRefusedError,
    UnusableOrderError,
)
from inferencer.models import ModelBuilder, load_engines
from inferencer.report import Reporter
from inferencer.served_model import ServedModel
from kafkaml.exceptions import ClientError
from kafkaml.schemas.attempts import InferenceOrder

log = structlog.get_logger()


class ModelChange:
    """Loads the models of a newer order beside those that answer, then swaps them.

    Models that cannot be served change nothing: the reason is told, once.
    """

    def __init__(
        self,
        *,
        model: ServedModel,
        builder: ModelBuilder,
        loader: EngineLoader,
        reporter: Reporter,
    ) -> None:
        self._model = model
        self._builder = builder
        self._loader = loader
        self._reporter = reporter
        self._thread: threading.Thread | None = None
        self._refused: int | None = None

    def heed(self, order: InferenceOrder) -> None:
        """Begin to change to the models of an order if they are others; return soon."""
        if order.revision in {self._model.revision, self._refused}:
            return
        if self._thread is not None and self._thread.is_alive():
            return
        self._thread = threading.Thread(
            target=self._change, args=(order,), name="models", daemon=True
        )
        self._thread.start()

    def _change(self, order: InferenceOrder) -> None:
        log.info("loading other models", revision=order.revision)
        try:
            engines = load_engines(order, loader=self._loader, source=self._reporter)
            self._model.swap(self._builder.build(order, engines))
        except (AttemptOverError, AttemptRefusedError) as e:
            self._reporter.end(e)
        except UnusableOrderError as e:
            self._refuse(order, str(e))
        except Exception as e:
            log.exception("models not loaded")
            self._refuse(order, str(e) or type(e).__name__)
        else:
            log.info("other models answer", revision=order.revision)
            self._reporter.uses(engines.report, revision=order.revision)

    def _refuse(self, order: InferenceOrder, reason: str) -> None:
        log.error("other models cannot be served", revision=order.revision, error=reason)
        self._refused = order.revision
        try:
            self._reporter.refuses(order.revision, reason)
        except (AttemptOverError, AttemptRefusedError, ClientError) as e:
            log.warning("the refusal was not accepted", error=str(e))
