"""What keeps checkpoints of one fit, and goes on from one. Child only."""

from typing import Any

import keras

from trainer.checkpoints.checkpoint import Checkpoint, CheckpointHeader, Position
from trainer.checkpoints.checkpointer import Checkpointer, log
from trainer.checkpoints.fit_state import (
    Callbacks,
    Variables,
    assign,
    build_optimizers,
    check_fits,
    optimizer_variables_of,
    optimizers_of,
    remind,
    restore_random_state,
    restore_seed_generator,
    weights_of,
)
from trainer.exceptions import CheckpointError
from trainer.fit.pace import Extent
from trainer.fit.progress import FitProgress


class CheckpointKeeper(keras.callbacks.Callback):  # type: ignore[misc]  # without types
    """Keeps checkpoints of a fit between two batches and after an epoch: its last callback.

    If the fit goes on from a checkpoint, nothing that was done is done again: the batches
    of the epoch that was begun are drawn and left out.
    """

    def __init__(
        self,
        *,
        checkpointer: Checkpointer,
        progress: FitProgress,
        callbacks: Callbacks,
        extent: Extent,
    ) -> None:
        super().__init__()
        self._checkpointer = checkpointer
        self._progress = progress
        self._callbacks = callbacks
        self._extent = extent
        self._resumed = checkpointer.take_resumed()
        self._are_optimizers_built = True
        self._done_before = 0
        self._epoch = 0

    def on_train_begin(self, logs: Any = None) -> None:
        """Go on from the checkpoint if there is one; the other callbacks have begun."""
        del logs
        build_optimizers(self.model)
        self._are_optimizers_built = all(one.built for one in optimizers_of(self.model))
        if self._resumed is None:
            return
        try:
            self._resume(self._resumed)
        except CheckpointError as e:
            log(f"the checkpoint is of no use, the fit begins anew: {e}")
            self._resumed = None

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        del logs
        self._epoch = epoch
        resumed, self._resumed = self._resumed, None
        if resumed is not None and resumed.header.position.steps:
            self._leave_out(resumed)

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        del logs
        done = batch + 1
        # The end of an epoch is more than that of its last batch: see below.
        if self._done_before < done < self._extent.steps and self._checkpointer.is_due:
            self._save(Position(epochs=self._epoch, steps=done))

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        del logs
        self._done_before = 0
        is_last = epoch + 1 == self._extent.epochs or self.model.stop_training
        # Optimizers that are built by their first step cannot be restored before it.
        if not is_last and self._are_optimizers_built and self._checkpointer.is_due:
            self._save(Position(epochs=epoch + 1, steps=0))

    def on_train_end(self, logs: Any = None) -> None:
        del logs
        self.model._initial_epoch = None  # noqa: SLF001  # as it was

    def _save(self, position: Position) -> None:
        self._checkpointer.save(
            self.model, position, progress=self._progress, callbacks=self._callbacks
        )

    def _resume(self, checkpoint: Checkpoint) -> None:
        header, groups = checkpoint.header, checkpoint.groups
        self._check(header)
        check_fits(weights_of(self.model), groups.weights)
        if not header.position.steps:
            check_fits(optimizer_variables_of(self.model), groups.optimizers)
            assign(optimizer_variables_of(self.model), groups.optimizers)
        self._restore(checkpoint)
        remind(self._callbacks, header.callbacks, groups.best_weights)
        self._progress.resume(header.position, epochs=header.epochs, reports=header.reports)
        # Keras' own way: its BackupAndRestore sets it at the same moment.
        self.model._initial_epoch = header.position.epochs  # noqa: SLF001
        log(
            f"resumed after epoch {header.position.epochs} and {header.position.steps} "
            f"batches, from a checkpoint of attempt {header.attempt}"
        )

    def _check(self, header: CheckpointHeader) -> None:
        """Raise CheckpointError if the checkpoint is not of such a fit."""
        position, extent = header.position, self._extent
        if position.epochs >= extent.epochs or position.steps >= extent.steps:
            raise CheckpointError("it is of a longer fit")
        if len(header.callbacks) != len(self._callbacks):
            raise CheckpointError("it is of a fit with other options")

    def _restore(self, checkpoint: Checkpoint) -> None:
        restore_random_state(checkpoint.header.random)
        restore_seed_generator(checkpoint.groups.seed_generator)
        assign(weights_of(self.model), checkpoint.groups.weights)

    def _leave_out(self, checkpoint: Checkpoint) -> None:
        """Let the first steps of the epoch draw their batches, and do no more.

        Metrics, and optimizers of a model's own, have their variables only after a step:
        the first one is done, and all that it changed restored.
        """
        model, step = self.model, self.model.train_function
        left = self._done_before = checkpoint.header.position.steps

        def draw(iterator: Any) -> Any:
            nonlocal left
            if left == checkpoint.header.position.steps:
                step(iterator)
                self._restore_all(checkpoint)
                left -= min(left, model.steps_per_execution)
            else:
                for _ in range(min(left, model.steps_per_execution)):
                    next(iterator)
                    left -= 1
            if not left:
                model.train_function = step
            return {}

        model.train_function = draw

    def _restore_all(self, checkpoint: Checkpoint) -> None:
        restore_model(self.model, checkpoint)


def restore_model(model: Any, checkpoint: Checkpoint) -> None:
    """Give a model all that a checkpoint has of it; the first step has been done."""
    groups = checkpoint.groups
    restore_random_state(checkpoint.header.random)
    restore_seed_generator(groups.seed_generator)
    assign(weights_of(model), groups.weights)
    _restore_late(optimizer_variables_of(model), groups.optimizers)
    _restore_late(model.metrics_variables, groups.metrics)


def _restore_late(variables: Variables, values: list[Any]) -> None:
    try:
        check_fits(variables, values)
    except CheckpointError as e:
        log(f"a part of the checkpoint is of no use: {e}")
    else:
        assign(variables, values)
