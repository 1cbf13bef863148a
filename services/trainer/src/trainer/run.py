"""From an order to its outcome: makes what the order needs and hands it to the work."""

import os
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from tempfile import TemporaryDirectory, mkdtemp

import structlog

from kafkaml.config import KafkaSettings
from kafkaml.exceptions import CodecUnavailableError
from kafkaml.kafka import librdkafka_config
from kafkaml.schemas.attempts import FailureReport, Order, TrainingOrder
from kafkaml.schemas.deployments import (
    Resources,
    TrainingParameters,
    cpu_cores,
    memory_bytes,
)
from kafkaml.schemas.states import ExitCode
from kafkaml.schemas.workloads import WorkloadKind
from trainer.assignment import Assignment
from trainer.config import TrainerSettings
from trainer.exceptions import FailedError, PlatformError, TrainerError
from trainer.exports.exporter import ExportedFile, Exporter
from trainer.messages import DATA_DIRECTORY, Build, Export
from trainer.models.check import check_model
from trainer.results.delivery import deliver, keep_model, model_file
from trainer.results.outcome import Outcome
from trainer.results.reporter import Attempts, Reporter
from trainer.sandbox.model_process import ModelProcess
from trainer.sandbox.sandbox import Sandbox, child_environment
from trainer.sandbox.standby import Standby
from trainer.stopwatch import Stopwatch
from trainer.training_attempt import TrainingAttempt

# Of mapped memory, which is what the limit counts, TensorFlow itself takes half of this.
RUNTIME_BYTES = 2**30

logger = structlog.get_logger()


def run(
    *,
    attempts: Attempts,
    settings: TrainerSettings,
    kafka: KafkaSettings,
    standby: Standby | None = None,
) -> int:
    """Do what the API orders and return the exit code; `standby` is one that is there."""
    stopwatch = Stopwatch()
    reporter = Reporter(attempts)
    try:
        order = reporter.order()
        logger.info("ordered", kind=order.kind.value, attempt=order.attempt)
        with TemporaryDirectory(prefix="kafkaml-", dir=settings.work_directory) as folder:
            work = Work(
                reporter=reporter,
                settings=settings,
                kafka=kafka,
                directory=Path(folder),
                stopwatch=stopwatch,
                standby=standby or Standby.inherited(settings.standby_descriptor),
            )
            work.do(order)
    except TrainerError as e:
        logger.warning("the attempt ends", error=type(e).__name__, reason=str(e))
        return e.exit_code
    except CodecUnavailableError as e:
        logger.warning("the attempt ends", error=type(e).__name__, reason=str(e))
        return ExitCode.RETRYABLE
    return ExitCode.ACCEPTED


@dataclass(frozen=True, kw_only=True)
class Work:
    """What one order is done with, in a folder of its own."""

    reporter: Reporter
    settings: TrainerSettings
    kafka: KafkaSettings
    directory: Path
    stopwatch: Stopwatch
    standby: Standby | None = None

    def do(self, order: Order) -> None:
        """Do an order; raise TrainerError, after a failure was reported, if it fails."""
        if order.source is None:
            raise PlatformError("the order has no source")
        if order.kind is WorkloadKind.CHECK:
            self._check(order.source)
        elif order.training is not None:
            self._train(order.training, source=order.source, attempt=order.attempt)
        else:
            raise PlatformError(f"an order of kind {order.kind} is not for a trainer")

    def _check(self, source: str) -> None:
        resources = Resources(memory=self.settings.check_memory)
        build = Build(
            source=source, seed=0, memory_bytes=_limit_of(resources), try_saving=True
        )
        with self._sandbox(resources) as sandbox:
            process = ModelProcess(sandbox=sandbox, order=build, settings=self.settings)
            check_model(process=process, reporter=self.reporter)

    def _train(self, order: TrainingOrder, *, source: str, attempt: int) -> None:
        try:
            self._train_and_deliver(order, source=source, attempt=attempt)
        except FailedError as e:
            kept = keep_model(e, directory=self.directory, reporter=self.reporter)
            message = f"{e}. {kept}" if kept else str(e)
            self.reporter.failure(FailureReport(reason=e.reason, message=message))
            raise

    def _train_and_deliver(
        self, order: TrainingOrder, *, source: str, attempt: int
    ) -> None:
        parameters = order.parameters
        build = Build(
            source=source,
            seed=parameters.seed,
            memory_bytes=_limit_of(parameters.resources),
            try_saving=False,
            mixed_precision=parameters.fit.mixed_precision,
        )
        with self._sandbox(parameters.resources) as sandbox:
            assignment = Assignment(
                order=order,
                source=source,
                attempt=attempt,
                process=ModelProcess(sandbox=sandbox, order=build, settings=self.settings),
                reporter=self.reporter,
                kafka=librdkafka_config(self.kafka),
                settings=self.settings,
                directory=self.directory,
                stopwatch=self.stopwatch,
            )
            outcome = TrainingAttempt(assignment).train()
        exports = self._export(outcome, parameters)
        deliver(
            outcome,
            exports,
            description=outcome.describe(order, attempt=attempt),
            directory=self.directory,
            reporter=self.reporter,
        )

    def _export(
        self, outcome: Outcome, parameters: TrainingParameters
    ) -> list[ExportedFile]:
        """Make the exports, now that nothing of the model's code runs any more."""
        if not parameters.exports:
            return []
        # The model's process may have left a folder of any name that it could guess.
        directory = Path(mkdtemp(prefix="exports-", dir=self.directory))
        resources = parameters.resources.model_copy(update={"gpu": 0})
        exporter = Exporter(
            open_sandbox=lambda: self._open_sandbox(directory, resources),
            directory=directory,
            settings=self.settings,
        )
        order = Export(
            model_file=str(model_file(self.directory)),
            data_directory=str(self.directory / DATA_DIRECTORY),
            formats=parameters.exports,
            memory_bytes=_limit_of(resources),
        )
        return exporter.export(order, deadline=outcome.deadline)

    def _sandbox(self, resources: Resources) -> Sandbox:
        (self.directory / DATA_DIRECTORY).mkdir()
        return self._open_sandbox(self.directory, resources)

    def _open_sandbox(self, directory: Path, resources: Resources) -> Sandbox:
        environment = child_environment(
            os.environ,
            directory=directory,
            threads=max(1, ceil(cpu_cores(resources.cpu))),
            gpus=resources.gpu,
        )
        # A standby was started without a GPU in sight.
        standby = None if resources.gpu else self.standby
        return Sandbox(directory=directory, environment=environment, standby=standby)


def _limit_of(resources: Resources) -> int | None:
    """Return the bytes that a model's process may map; the driver of a GPU maps freely."""
    if resources.gpu:
        return None
    return memory_bytes(resources.memory) + RUNTIME_BYTES
