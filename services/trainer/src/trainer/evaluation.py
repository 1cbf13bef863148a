"""What a fitted model is worth on records. Runs inside the child only."""

import sys
import traceback
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from kafkaml.schemas.trainings import ConfusionMatrix
from trainer.batches import BatchSource
from trainer.dataset import Dataset
from trainer.model_inspection import label_rule
from trainer.split import Indices

MAX_CLASSES = 500


def evaluate(
    model: Any, source: BatchSource, part: Indices, *, size: int
) -> dict[str, Any]:
    """Return the model's metrics on some records; empty if there are none."""
    if not len(part):
        return {}
    metrics: dict[str, Any] = model.evaluate(
        source.batches(part, size=size), return_dict=True, verbose=0
    )
    return metrics


def confusion_matrix(
    model: Any, source: BatchSource, dataset: Dataset, *, size: int
) -> ConfusionMatrix | None:
    """Count classes on the test part, else the validation, else the training part.

    None for a model that is no classifier. A matrix that cannot be made is logged: it must
    not cost the training.
    """
    try:
        return _confusion_matrix(model, source, dataset, size=size)
    except Exception:  # noqa: BLE001  # a custom model's predict may raise anything
        traceback.print_exc(file=sys.stderr)
        return None


def _confusion_matrix(
    model: Any, source: BatchSource, dataset: Dataset, *, size: int
) -> ConfusionMatrix | None:
    name, part = _part(dataset)
    outputs = model.predict(source.feature_batches(part, size=size), verbose=0)
    labels = np.asarray(dataset.labels[part])
    classes = classes_of(np.asarray(outputs), labels, loss=model.loss)
    if classes is None:
        return None
    truth, prediction, count = classes
    matrix = np.zeros((count, count), np.int64)
    np.add.at(matrix, (truth, prediction), 1)
    labels_in_order = [str(label) for label in range(count)]
    return ConfusionMatrix(labels=labels_in_order, matrix=matrix.tolist(), part=name)


def classes_of(
    outputs: NDArray[Any], labels: NDArray[Any], *, loss: Any
) -> tuple[NDArray[np.int64], NDArray[np.int64], int] | None:
    """Return true and predicted class of each record, and the number of classes.

    `outputs` has shape `(records, classes)`, or `(records, 1)` for two classes with a
    binary loss. None if these are not the outputs and labels of a classifier.
    """
    if outputs.ndim != 2 or outputs.shape[1] > MAX_CLASSES:
        return None
    count = outputs.shape[1]
    flat = labels.reshape(len(labels), -1)
    if count == 1:
        return _two_classes(outputs[:, 0], flat, loss)
    prediction = outputs.argmax(axis=1).astype(np.int64)
    if label_rule(loss) == "classes" or (flat.shape[1] == 1 and labels.dtype.kind in "biu"):
        return flat[:, 0].astype(np.int64), prediction, count
    is_one_hot = flat.shape[1] == count and np.isin(flat, (0, 1)).all()
    if is_one_hot and (flat.sum(axis=1) == 1).all():
        return flat.argmax(axis=1).astype(np.int64), prediction, count
    return None


def _two_classes(
    outputs: NDArray[Any], labels: NDArray[Any], loss: Any
) -> tuple[NDArray[np.int64], NDArray[np.int64], int] | None:
    known = keras.losses.get(loss)
    name = getattr(known, "__name__", type(known).__name__).lower().replace("_", "")
    if not name.startswith("binary") or labels.shape[1] != 1:
        return None
    if not np.isin(labels, (0, 1)).all():
        return None
    threshold = 0.0 if getattr(known, "from_logits", False) else 0.5
    return labels[:, 0].astype(np.int64), (outputs > threshold).astype(np.int64), 2


def _part(dataset: Dataset) -> tuple[str, Indices]:
    parts = dataset.parts
    if len(parts.test):
        return "test", parts.test
    if len(parts.validation):
        return "validation", parts.validation
    return "training", parts.training
