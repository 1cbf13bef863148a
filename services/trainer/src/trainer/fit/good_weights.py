"""The last weights of a fit with which its loss was a number. Child only."""

from collections import deque
from collections.abc import Callable
from pathlib import Path
from time import monotonic
from typing import Any

import keras
import numpy as np

from trainer.checkpoints.checkpoint import Arrays
from trainer.checkpoints.checkpointer import log
from trainer.checkpoints.fit_state import assign, values_of
from trainer.exceptions import DivergedError
from trainer.messages import MODEL_FILE
from trainer.models.file import save_model

# A copy takes at most this share of a fit; within an epoch there is one in a second.
COST_SHARE = 0.01
BATCH_SECONDS = 1.0
# Two copies are held; there may be no memory for larger ones.
MAX_BYTES = 2**29
COPIES = 2
BYTES_OF_NUMBER = 4


class GoodWeights(keras.callbacks.Callback):  # type: ignore[misc]  # Keras has no types
    """Copies the weights now and then; after the callback that ends what has diverged.

    `measure` returns the loss of the model on some records. A copy that was made when the
    harm was done already shows by that, so that the one before is kept as well.
    """

    def __init__(self, *, measure: Callable[[], Any]) -> None:
        super().__init__()
        self._measure = measure
        self._copies: deque[tuple[str, Arrays]] = deque(maxlen=COPIES)
        self._epoch = 0
        self._cost = 0.0
        self._copied_at = -float("inf")
        self._is_possible = True

    def on_train_begin(self, logs: Any = None) -> None:
        del logs
        numbers = sum(int(np.prod(each.shape)) for each in self.model.variables)
        self._is_possible = numbers * BYTES_OF_NUMBER <= MAX_BYTES

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        del logs
        self._epoch = epoch + 1

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        del logs
        self._copy(f"epoch {self._epoch}, batch {batch + 1}", after=BATCH_SECONDS)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        del epoch, logs
        self._copy(f"epoch {self._epoch}", after=0.0)

    def rescue(self, error: DivergedError) -> DivergedError:
        """Save the model as it was; return the error with what was kept, if there is."""
        try:
            for place, weights in reversed(self._copies):
                assign(self.model.variables, weights)
                if np.isfinite(self._measure()):
                    save_model(self.model, Path(MODEL_FILE))
                    return DivergedError(error.message, kept=place)
        except Exception as e:  # noqa: BLE001  # a custom model may raise anything
            log(f"no good model can be kept: {type(e).__name__}: {e!s:.300}")
        return error

    def _copy(self, place: str, *, after: float) -> None:
        started = monotonic()
        pause = max(after, self._cost / COST_SHARE)
        if not self._is_possible or started - self._copied_at < pause:
            return
        try:
            self._copies.append((place, values_of(self.model.variables)))
        except MemoryError:
            self._copies.clear()
            self._is_possible = False
        self._copied_at = monotonic()
        self._cost = self._copied_at - started
