"""Training on a stream without an end, an update after the other. Child only."""

from collections.abc import Callable
from pathlib import Path
from time import monotonic
from typing import Any

import numpy as np

from kafkaml.schemas.attempts import EpochReport
from kafkaml.schemas.fit import VALIDATION_PREFIX
from kafkaml.schemas.results import FitSummary
from trainer.checkpoints.checkpoint import (
    Checkpoint,
    CheckpointHeader,
    Position,
    StreamPosition,
)
from trainer.checkpoints.checkpointer import Checkpointer, groups_of, log
from trainer.checkpoints.fit_state import (
    assign,
    build_optimizers,
    check_fits,
    random_state,
    values_of,
    weights_of,
)
from trainer.checkpoints.keeper import restore_model
from trainer.data.dataset import Dataset
from trainer.data.split import Split
from trainer.exceptions import CheckpointError, DivergedError
from trainer.fit.batches import BatchSource
from trainer.fit.evaluation import Assessment, assess
from trainer.fit.fitter import Fitted, class_weight_of
from trainer.fit.options import learning_rate_of, prepare_model
from trainer.fit.progress import Send
from trainer.fit.trained import trained_report
from trainer.incremental.compiled_steps import CompiledSteps
from trainer.incremental.publisher import Publisher
from trainer.incremental.record_mix import RecordMix
from trainer.incremental.reservoir import Rows
from trainer.incremental.stored_update import take_update
from trainer.incremental.update_pace import UpdatePace
from trainer.messages import (
    DATA_DIRECTORY,
    MODEL_FILE,
    Command,
    EpochDone,
    FitProgressed,
    Metrics,
    StreamStarted,
    StreamTrained,
    TrainStream,
    Update,
    UpdateDone,
)
from trainer.models.file import save_model

MAX_REPORTS = 1000  # epochs of an attempt before that are told again


class StreamTraining:
    """Trains one model: holds back a share of each update, and mixes in earlier records.

    Which records these are depends on the seed, the number of the update and the records
    before it alone.
    """

    def __init__(self, model: Any, order: TrainStream, *, send: Send) -> None:
        parameters, options = order.parameters, order.options
        prepare_model(model, parameters, steps=1, fewest_steps=1)
        self._model = model
        self._order = order
        self._options = options
        self._send = send
        self._steps = CompiledSteps(
            model,
            batch_size=parameters.batch_size,
            class_weight=class_weight_of(parameters.fit, model),
        )
        self._publisher = Publisher(model, options=options, steps=self._steps, send=send)
        self._checkpointer = Checkpointer(wanted=order.checkpointing, send=send)
        self._mix = RecordMix(options, validation_rate=order.validation_rate)
        self._resumed: Checkpoint | None = None
        self._is_built = False
        self._has_updated = False
        self._position = Position(epochs=0, steps=0)
        self._stream = StreamPosition()
        self._reports: list[Metrics] = []
        self._pace = UpdatePace(epoch_updates=options.epoch_updates)

    def train(self, next_command: Callable[[], Command]) -> StreamTrained:
        """Do all updates that come; raise FailedError if the model cannot go on."""
        started = monotonic()
        self._start()
        while isinstance(command := next_command(), Update):
            self._update(command)
            self._send(UpdateDone(number=command.number))
        return self._finish(started)

    def _start(self) -> None:
        """Go on from a checkpoint, if there is one of use."""
        resumed = self._checkpointer.take_resumed()
        try:
            if resumed is not None:
                self._resume(resumed)
        except CheckpointError as e:
            log(f"the checkpoint is of no use, the stream is read from its start: {e}")
            self._resumed = None
        stream = self._stream
        self._send(
            StreamStarted(
                updates=stream.updates,
                records=stream.records,
                held_back=stream.held_back,
                starts=stream.starts,
                positions=stream.positions if self._resumed else None,
            )
        )
        first = self._position.epochs - len(self._reports) + 1
        for number, values in enumerate(self._reports, start=first):
            self._send(EpochDone(report=EpochReport(epoch=number, values=values)))

    def _resume(self, checkpoint: Checkpoint) -> None:
        header, groups = checkpoint.header, checkpoint.groups
        if header.stream is None or len(groups.records) != 4:
            raise CheckpointError("it is not of a stream without an end")
        build_optimizers(self._model)
        check_fits(weights_of(self._model), groups.weights)
        if groups.best_weights:
            check_fits(self._model.variables, groups.best_weights)
        self._resumed = checkpoint
        self._position, self._stream = header.position, header.stream
        self._reports = header.reports
        self._mix.restore(groups.records, replay_seen=header.stream.replay_seen)
        self._publisher.weights = groups.best_weights
        self._publisher.count = header.stream.improvements
        self._publisher.epoch = header.stream.published
        log(f"resumed after update {header.stream.updates}")

    def _build(self, rows: Rows) -> None:
        """Let the model make what it makes with its first step, and undo that step."""
        if self._is_built:
            return
        self._is_built = True
        build_optimizers(self._model)
        before = values_of(weights_of(self._model))
        self._steps.build(rows)
        self._steps.reset()
        if self._resumed is None:
            assign(weights_of(self._model), before)
        else:
            restore_model(self._model, self._resumed)

    def _update(self, update: Update) -> None:
        rows, self._has_updated = take_update(update.number), True
        generator = np.random.default_rng([self._order.parameters.seed, update.number])
        fresh, held_back = self._mix.divide(rows, generator)
        mixed = self._mix.with_replay(fresh, generator)
        self._build(mixed)
        for _ in range(self._options.passes):
            self._steps.train(mixed, order=generator.permutation(len(mixed[0])))
        self._check_loss(update.number)
        self._mix.keep(fresh, held_back, generator)
        self._note(update, records=len(rows[0]), held_back=len(held_back[0]))
        if self._position.steps == self._options.epoch_updates:
            self._end_epoch()
        if self._checkpointer.is_due:
            self._checkpointer.keep(self._checkpoint)

    def _check_loss(self, number: int) -> None:
        if self._steps.metrics.get("loss", 0.0) is None:
            raise DivergedError(
                f"the loss is not a number any more after update {number}: lower the "
                "learning rate, clip the gradients (fit.clipnorm), scale the records, or "
                "look for bad values among them"
            )

    def _note(self, update: Update, *, records: int, held_back: int) -> None:
        stream, steps = self._stream, self._position.steps + 1
        self._position = self._position.model_copy(update={"steps": steps})
        self._stream = stream.model_copy(
            update={
                "starts": update.starts,
                "positions": update.positions,
                "updates": update.number,
                "records": stream.records + records,
                "held_back": stream.held_back + held_back,
            }
        )
        if self._pace.is_due:
            progress = self._pace.progress(self._position, records=self._stream.records)
            self._send(FitProgressed(report=progress))

    def _end_epoch(self) -> None:
        """Measure the model on the newest records; publish it if it is better."""
        epoch = self._position.epochs + 1
        self._position = Position(epochs=epoch, steps=0)
        values, recent = self._steps.metrics, self._mix.recent
        measured = self._steps.measure(recent) if recent is not None else {}
        self._steps.reset()
        named = {VALIDATION_PREFIX + name: value for name, value in measured.items()}
        self._reports = [*self._reports, values | named][-MAX_REPORTS:]
        self._send(EpochDone(report=EpochReport(epoch=epoch, values=values | named)))
        if recent is not None:
            self._publisher.consider(epoch, measured, recent)

    def _checkpoint(self) -> Checkpoint:
        groups = groups_of(
            self._model,
            best_weights=self._publisher.weights,
            records=self._mix.copies(),
        )
        self._checkpointer.check_size(groups)
        header = CheckpointHeader(
            identity=self._checkpointer.wanted.identity,
            attempt=self._checkpointer.wanted.attempt,
            position=self._position,
            folds=[],
            epochs=[],
            reports=list(self._reports),
            callbacks=[],
            random=random_state(),
            shapes=groups.shapes,
            stream=self._stream.model_copy(
                update={
                    "replay_seen": self._mix.replay_seen,
                    "improvements": self._publisher.count,
                    "published": self._publisher.epoch,
                }
            ),
        )
        return Checkpoint(header, groups)

    def _finish(self, started: float) -> StreamTrained:
        """Keep the better of the last and the published model, measure and save it."""
        recent = self._mix.recent
        if recent is not None:
            self._build(recent)
        if self._position.steps:
            self._end_epoch()
        ended = monotonic()
        self._checkpointer.close()
        kept, validation = self._settle(recent)
        assessment = self._assess(recent)
        save_model(self._model, Path(MODEL_FILE))
        if not self._has_updated and recent is not None:
            _all_of(recent).save(Path(DATA_DIRECTORY))  # the trainer has seen no others
        fitted = Fitted(self._last_training(), validation, self._summary(kept))
        trained = trained_report(
            self._model,
            fitted,
            assessment,
            fit_seconds=ended - started,
            evaluate_seconds=monotonic() - ended,
        )
        return StreamTrained(
            trained=trained,
            updates=self._stream.updates,
            records=self._stream.records,
            held_back=self._stream.held_back,
            improvements=self._publisher.count,
        )

    def _last_training(self) -> Metrics:
        last = self._reports[-1] if self._reports else {}
        return {k: v for k, v in last.items() if not k.startswith(VALIDATION_PREFIX)}

    def _summary(self, kept: int | None) -> FitSummary:
        return FitSummary(
            epochs=self._position.epochs,
            steps_per_epoch=self._options.epoch_updates,
            stopped_early=False,
            best_epoch=kept,
            learning_rate=learning_rate_of(self._model),
        )

    def _settle(self, recent: Rows | None) -> tuple[int | None, Metrics]:
        """Return the epoch whose model is kept, and its metrics on the newest records."""
        if recent is None:
            return None, {}
        values, publisher = self._steps.measure(recent), self._publisher
        if not publisher.weights or publisher.is_better(values, recent):
            return self._position.epochs or None, values
        published = publisher.measure_published(recent)
        publisher.restore()
        return publisher.epoch, published

    def _assess(self, recent: Rows | None) -> Assessment:
        if recent is None:
            return Assessment(no_report="no records were held back")
        dataset = _all_of(recent)
        source = BatchSource(dataset)
        return assess(self._model, source, dataset, self._order.parameters)


def _all_of(rows: Rows) -> Dataset:
    """Return rows as a dataset with nothing but a validation part."""
    none = np.empty(0, np.int64)
    return Dataset(rows[0], rows[1], Split(none, np.arange(len(rows[0])), none))
