"""Whether records and labels fit a model, told before anything is trained."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from kafkaml.schemas.models import ModelCheck
from kafkaml.schemas.states import FailureReason
from trainer.exceptions import ModelCodeError, StreamError
from trainer.messages import LabelRule
from trainer.records import Records

Shape = tuple[int | None, ...]


def check_suitability(records: Records, model: ModelCheck, rule: LabelRule) -> None:
    """Raise StreamError or ModelCodeError if the model cannot be trained on the records."""
    for name, shapes in (("input", model.input_shapes), ("output", model.output_shapes)):
        if len(shapes) != 1:
            raise ModelCodeError(
                f"the model has {len(shapes)} {name}s, a stream has one record and one "
                f"label each: use one {name}"
            )
    _check_features(records, tuple(model.input_shapes[0]))
    outputs = tuple(model.output_shapes[0])
    if rule == "classes":
        _check_classes(records, outputs)
    elif rule == "outputs":
        _check_outputs(records, outputs)


def _check_features(records: Records, wanted: Shape) -> None:
    shape = records.features.shape[1:]
    if not _fits(shape, wanted):
        raise _unsuitable(
            f"a record has shape {shape}, but the model takes {wanted}: change the shape "
            "in the stream's input_config (data_reshape), or the model's input"
        )


def _check_classes(records: Records, outputs: Shape) -> None:
    """Check for class numbers, one for each prediction of the model."""
    shape, wanted = records.labels.shape[1:], outputs[:-1]
    if not _fits(shape, wanted) and not _fits(shape, (*wanted, 1)):
        raise _unsuitable(
            f"a label has shape {shape}, but the model's loss takes the number of a class, "
            f"of shape {wanted}: use another loss, or send class numbers as labels"
        )
    if records.labels.dtype.kind not in "biuf":
        raise _unsuitable("the labels are texts, but the model's loss takes class numbers")
    classes = outputs[-1]
    if classes is not None:
        _check_class_range(records, classes)


def _check_class_range(records: Records, classes: int) -> None:
    labels = records.labels.reshape(len(records.labels), -1)
    good = (labels >= 0) & (labels < classes) & (labels == np.floor(labels))
    bad_rows = np.flatnonzero(~good.all(axis=1))
    if len(bad_rows):
        row = int(bad_rows[0])
        value = labels[row][~good[row]][0]
        raise _unsuitable(
            f"record {records.coordinates(row)}: its label is {value}, but the model has "
            f"{classes} outputs and so the classes 0 to {classes - 1}"
        )


def _check_outputs(records: Records, outputs: Shape) -> None:
    """Check for labels of the shape of the output; one number may be a scalar."""
    shape = records.labels.shape[1:]
    if not _fits(shape, outputs) and not (outputs == (1,) and shape == ()):
        raise _unsuitable(
            f"a label has shape {shape}, but the model's output {outputs}: change the "
            "shape in the stream's input_config (label_reshape), the output or the loss"
        )
    if records.labels.dtype.kind not in "biuf":
        raise _unsuitable("the labels are texts, but the model's loss takes numbers")
    _check_finite(records)


def _check_finite(records: Records) -> None:
    rows: NDArray[Any] = records.labels.reshape(len(records.labels), -1)
    bad_rows = np.flatnonzero(~np.isfinite(rows).all(axis=1))
    if len(bad_rows):
        where = records.coordinates(int(bad_rows[0]))
        raise _unsuitable(f"record {where}: its label is not a finite number")


def _fits(shape: tuple[int, ...], wanted: Shape) -> bool:
    return len(shape) == len(wanted) and all(
        each is None or each == size for size, each in zip(shape, wanted, strict=True)
    )


def _unsuitable(message: str) -> StreamError:
    return StreamError(FailureReason.BAD_STREAM, message)
