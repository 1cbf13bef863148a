"""Whether records and labels fit a model, told before anything is trained."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kafkaml.schemas.models import ModelCheck
from kafkaml.schemas.states import FailureReason
from trainer.data.chunks import chunks_of
from trainer.data.records import Records
from trainer.exceptions import ModelCodeError, StreamError
from trainer.messages import LabelRule

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
    elif rule != "any":
        _check_outputs(records, outputs, are_probabilities=rule == "probabilities")


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
    def is_class(labels: NDArray[Any]) -> Any:
        return (labels >= 0) & (labels < classes) & (labels == np.floor(labels))

    _check_values(
        records,
        is_class,
        f"but the model has {classes} outputs and so the classes 0 to {classes - 1}: "
        "number classes from 0, or give the model an output for each",
    )


def _check_outputs(records: Records, outputs: Shape, *, are_probabilities: bool) -> None:
    """Check for labels of the shape of the output; one number may be a scalar."""
    shape = records.labels.shape[1:]
    if not _fits(shape, outputs) and not (outputs == (1,) and shape == ()):
        raise _unsuitable(
            f"a label has shape {shape}, but the model's output {outputs}: change the "
            "shape in the stream's input_config (label_reshape), the output or the loss"
        )
    if records.labels.dtype.kind not in "biuf":
        raise _unsuitable("the labels are texts, but the model's loss takes numbers")
    _check_values(
        records,
        np.isfinite,
        "not a finite number: send the records again without such, or corrected",
    )
    if are_probabilities:
        _check_values(
            records,
            lambda labels: (labels >= 0) & (labels <= 1),
            "but the model's loss takes 0, 1 or what is between them: send such labels, or "
            "use another loss",
        )


def _check_values(
    records: Records,
    is_good: Callable[[NDArray[Any]], Any],
    what_is_wrong: str,
) -> None:
    """Name the first record with a label that is not good."""
    for first, chunk in chunks_of(records.labels):
        labels = chunk.reshape(len(chunk), -1)
        good = is_good(labels)
        bad_rows = np.flatnonzero(~good.all(axis=1))
        if len(bad_rows):
            row = int(bad_rows[0])
            value = labels[row][~good[row]][0]
            raise _unsuitable(
                f"record {records.coordinates(first + row)}: its label is {value}, "
                f"{what_is_wrong}"
            )


def _fits(shape: tuple[int, ...], wanted: Shape) -> bool:
    return len(shape) == len(wanted) and all(
        each is None or each == size for size, each in zip(shape, wanted, strict=True)
    )


def _unsuitable(message: str) -> StreamError:
    return StreamError(FailureReason.BAD_STREAM, message)
