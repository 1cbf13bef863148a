"""Checkpoints of a training in the making. Child only."""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Thread
from time import monotonic
from typing import Any

from numpy.typing import NDArray

from trainer.checkpoints.checkpoint import (
    Arrays,
    Checkpoint,
    CheckpointHeader,
    Groups,
    Position,
)
from trainer.checkpoints.fit_state import (
    Callbacks,
    best_weights_of,
    memory_of,
    optimizer_variables_of,
    random_state,
    seed_generator_state,
    values_of,
    weights_of,
)
from trainer.exceptions import CheckpointError
from trainer.fit.progress import FitProgress, Send
from trainer.messages import (
    CHECKPOINT_FILE,
    RESUME_FILE,
    Checkpointing,
    CheckpointWritten,
)


class Checkpointer:
    """Writes a checkpoint now and then, beside the fits of one training.

    `folds` are the metrics of the folds that are measured, by this attempt or one before.
    A checkpoint that cannot be made or used is told in the log; it ends nothing.
    """

    def __init__(self, *, wanted: Checkpointing | None, send: Send) -> None:
        self._wanted = wanted
        self._send = send
        self._path = Path(CHECKPOINT_FILE)
        self._writer: Thread | None = None
        self._last = monotonic()
        self._resumed = _load(wanted)
        self.folds = list(self._resumed.header.folds) if self._resumed else []

    @property
    def is_wanted(self) -> bool:
        return self._wanted is not None

    @property
    def wanted(self) -> Checkpointing:
        """What was asked for; only of use if `is_wanted`."""
        assert self._wanted is not None  # noqa: S101  # see above
        return self._wanted

    def take_resumed(self) -> Checkpoint | None:
        """Return from where the next fit is to go on: once, for it is one fit's."""
        resumed, self._resumed = self._resumed, None
        return resumed

    @property
    def is_due(self) -> bool:
        """Whether the time has come, and the checkpoint before is written and fetched."""
        wanted = self._wanted
        if wanted is None or monotonic() - self._last < wanted.seconds:
            return False
        return not (self._writer and self._writer.is_alive()) and not self._path.exists()

    def save(
        self, model: Any, position: Position, *, progress: FitProgress, callbacks: Callbacks
    ) -> None:
        """Copy all that is needed to go on, and write it beside the fit."""
        self.keep(lambda: self._made(model, position, progress, callbacks))

    def keep(self, made: Callable[[], Checkpoint]) -> None:
        """Write what is made, which is a copy, beside the fit."""
        try:
            checkpoint = made()
        except MemoryError:
            log("there is no memory for a checkpoint: raise resources.memory")
        except Exception as e:  # noqa: BLE001  # a model's own variables may be anything
            self._give_up(e)
        else:
            self._writer = Thread(target=self._write, args=(checkpoint,), daemon=True)
            self._writer.start()
        self._last = monotonic()

    def close(self) -> None:
        """Wait for the checkpoint that is being written."""
        if self._writer is not None:
            self._writer.join()

    def _made(
        self, model: Any, position: Position, progress: FitProgress, callbacks: Callbacks
    ) -> Checkpoint:
        groups = groups_of(model, best_weights=best_weights_of(callbacks))
        self.check_size(groups)
        header = CheckpointHeader(
            identity=self.wanted.identity,
            attempt=self.wanted.attempt,
            position=position,
            folds=list(self.folds),
            epochs=list(progress.epochs),
            reports=list(progress.reports),
            callbacks=memory_of(callbacks),
            random=random_state(),
            shapes=groups.shapes,
        )
        return Checkpoint(header, groups)

    def check_size(self, groups: Groups) -> None:
        """Raise CheckpointError if a checkpoint may not be so large."""
        limit = self.wanted.max_bytes
        if limit is not None and groups.size_bytes > limit:
            raise CheckpointError(
                f"one has {groups.size_bytes} bytes, but may have {limit}"
            )

    def _give_up(self, error: Exception) -> None:
        self._wanted = None
        log(f"there will be no checkpoints: {type(error).__name__}: {error!s:.300}")

    def _write(self, checkpoint: Checkpoint) -> None:
        try:
            checkpoint.write(self._path)
        except (OSError, MemoryError) as e:
            log(f"a checkpoint could not be written: {e}")
            return
        except Exception as e:  # noqa: BLE001  # likewise
            self._give_up(e)
            return
        position = checkpoint.header.position
        self._send(CheckpointWritten(epochs=position.epochs, steps=position.steps))


def groups_of(
    model: Any, *, best_weights: Arrays, records: Sequence[NDArray[Any]] = ()
) -> Groups:
    """Return copies of everything that a model has, with what is kept beside it."""
    return Groups(
        weights=values_of(weights_of(model)),
        optimizers=values_of(optimizer_variables_of(model)),
        metrics=values_of(model.metrics_variables),
        seed_generator=seed_generator_state(),
        best_weights=best_weights,
        records=list(records),
    )


def _load(wanted: Checkpointing | None) -> Checkpoint | None:
    if wanted is None or not wanted.is_resumed:
        return None
    path = Path(RESUME_FILE)
    try:
        return Checkpoint.read(path, identity=wanted.identity)
    except (CheckpointError, OSError, MemoryError) as e:
        log(f"the checkpoint is of no use, the training begins anew: {e}")
        return None
    finally:
        path.unlink(missing_ok=True)


def log(text: str) -> None:
    """Tell something in the log of the attempt."""
    print(text, file=sys.stderr, flush=True)  # noqa: T201  # goes to the trainer's log
