"""Plain Keras, as one would write it without a platform: the paper's "normal".

A process of its own, which prints what it measured as JSON.
"""

import json
import runpy
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from patients import Patients
from sklearn.model_selection import train_test_split

PREDICTIONS = 20


def main(data: str, source: str, epochs: str, batch_size: str, test_rate: str) -> None:
    """Fit on the patients of a file, measure on those held back, predict one by one."""
    import keras

    keras.utils.set_random_seed(0)
    model = runpy.run_path(source)["model"]
    opened = time.perf_counter()
    patients = Patients.load(Path(data))
    training, test, truth, held_back = train_test_split(
        patients.features,
        patients.diagnoses.astype(np.int32),
        test_size=float(test_rate),
        stratify=patients.diagnoses,
        random_state=0,
    )
    first_step = _FirstStep()
    read = time.perf_counter()
    model.fit(
        training,
        truth,
        epochs=int(epochs),
        batch_size=int(batch_size),
        callbacks=[keras.callbacks.LambdaCallback(on_train_batch_end=first_step.mark)],
        verbose=0,
    )
    fitted = time.perf_counter()
    measured = model.evaluate(test, held_back, return_dict=True, verbose=0)
    report = {
        "first_step": (first_step.at or fitted) - opened,
        "read": read - opened,
        "fit": fitted - read,
        "accuracy": measured["accuracy"],
        "predict": _seconds_of_predictions(model, test),
    }
    print(json.dumps(report))


class _FirstStep:
    """When the first step of a fit ended."""

    def __init__(self) -> None:
        self.at: float | None = None

    def mark(self, batch: int, logs: object = None) -> None:
        del batch, logs
        self.at = self.at or time.perf_counter()


def _seconds_of_predictions(model: Any, patients: Any) -> list[float]:
    """Return how long `predict` takes for one patient, after a first call."""
    seconds = []
    for number in range(PREDICTIONS + 1):
        row = number % len(patients)
        started = time.perf_counter()
        model.predict(patients[row : row + 1], verbose=0)
        seconds.append(time.perf_counter() - started)
    return seconds[1:]


if __name__ == "__main__":
    main(*sys.argv[1:])
