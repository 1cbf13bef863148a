"""What a model is for, as its outputs, its loss and the labels tell. Child only."""

from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from trainer.models.inspection import label_rule

MAX_CLASSES = 500
MAX_OUTPUTS = 2**20

Labels = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Classification:
    """One of several classes; two of them by a `threshold` if there is one output."""

    classes: int
    threshold: float | None = None
    has_one_hot_labels: bool = False


@dataclass(frozen=True, slots=True)
class Regression:
    """Numbers, `outputs` of them for each record."""

    outputs: int


def task_of(
    shape: tuple[int, ...], labels: Labels, *, loss: Any
) -> Classification | Regression | str:
    """Return the task of a model whose outputs have a shape; or why there is none to tell.

    `labels` has a row for each record.
    """
    name = _loss_name(loss)
    flat = labels.reshape(len(labels), -1)
    if flat.dtype.kind not in "biuf":
        return "the labels are no numbers"
    found = _classification(shape, flat, loss=loss, name=name)
    if found is not None:
        return found
    outputs = int(np.prod(shape))
    if name.startswith("binary"):
        return (
            "each record has several labels at once, or labels other than 0 and 1: see "
            "the metrics that the model was compiled with"
        )
    if "crossentropy" in name or "hinge" in name:
        return f"a loss of {name} on labels of this shape is no plain classification"
    if outputs > MAX_OUTPUTS or outputs != flat.shape[1]:
        return f"{outputs} outputs cannot be compared with {flat.shape[1]} labels"
    return Regression(outputs)


def _classification(
    shape: tuple[int, ...], labels: Labels, *, loss: Any, name: str
) -> Classification | str | None:
    if len(shape) != 1:
        return None
    count = shape[0]
    if count == 1:
        return _two_classes(labels, loss=loss, name=name)
    is_classes = label_rule(loss) == "classes"
    is_numbered = labels.shape[1] == 1 and (is_classes or labels.dtype.kind in "biu")
    is_one_hot = _is_one_hot(labels, count) and not name.startswith("binary")
    if not is_numbered and not is_one_hot:
        return None
    if count > MAX_CLASSES:
        return f"there are {count} classes, more than the {MAX_CLASSES} that are reported"
    if is_numbered and not _are_classes(labels, count):
        return f"the labels are not the numbers of {count} classes"
    return Classification(count, has_one_hot_labels=not is_numbered)


def _two_classes(labels: Labels, *, loss: Any, name: str) -> Classification | None:
    is_binary = name.startswith("binary") and labels.shape[1] == 1
    if not is_binary or not np.isin(labels, (0, 1)).all():
        return None
    is_logit = getattr(keras.losses.get(loss), "from_logits", False)
    return Classification(2, threshold=0.0 if is_logit else 0.5)


def _are_classes(labels: Labels, count: int) -> bool:
    in_range = (labels >= 0) & (labels < count)
    return bool((in_range & (labels == np.floor(labels))).all())


def _is_one_hot(labels: Labels, count: int) -> bool:
    if labels.shape[1] != count or not np.isin(labels, (0, 1)).all():
        return False
    return bool((labels.sum(axis=1) == 1).all())


def _loss_name(loss: Any) -> str:
    """Return the name of a loss in lower case, without underscores."""
    try:
        known = keras.losses.get(loss)
    except (ValueError, TypeError):
        known = loss
    name = getattr(known, "__name__", None) or type(known).__name__
    return str(name).lower().replace("_", "")
