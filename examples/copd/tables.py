"""The tables of the experiment, the paper's figures beside ours."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from patients import CLASSES, Patients
from rich.box import SIMPLE_HEAD
from rich.table import Table
from runs import TEST_RATE, Times

from kafkaml.schemas.trainings import ConfusionMatrix, Training

WAYS = ("normal", "with streams", "with streams, containers")
# C. Martín et al., Kafka-ML, Future Generation Computer Systems 126 (2022): Tables I
# and II, in seconds.
PAPER_TRAINING = (27.37, 29.61, 31.44)
PAPER_PREDICTION = (0.079, 0.374, 0.335)


@dataclass(frozen=True)
class Quality:
    """What a training is worth: on the records held back, and by cross-validation."""

    held_back: Training
    validated: Training


def training_times(times: Mapping[str, Times]) -> Table:
    """Return Table I. A way that was not measured has no figures."""
    table = _table("Table I, the latency of training, in seconds")
    table.add_column("")
    for name in ("paper", "ratio", "ours", "ratio", "1st step", "fit", "end to end"):
        table.add_column(name, justify="right")
    for way, paper in zip(WAYS, PAPER_TRAINING, strict=True):
        table.add_row(way, *_against(paper, PAPER_TRAINING[0]), *_our_times(times, way))
    return table


def prediction_times(seconds: Mapping[str, float]) -> Table:
    """Return Table II. A way that was not measured has no figures."""
    table = _table("Table II, the latency of one prediction, in milliseconds")
    table.add_column("")
    for name in ("paper", "ratio", "ours", "ratio"):
        table.add_column(name, justify="right")
    for way, paper in zip(WAYS, PAPER_PREDICTION, strict=True):
        known = (seconds[way], seconds[WAYS[0]]) if way in seconds else None
        ours = ("-", "-") if known is None else _against(known[0] * 1000, known[1] * 1000)
        table.add_row(way, *_against(paper * 1000, PAPER_PREDICTION[0] * 1000), *ours)
    return table


def classes_by_part(
    patients: Patients, training: Training, held_back: ConfusionMatrix
) -> Table:
    """Show which classes are in each part, and would be if the file's order decided."""
    table = _table("Patients of each class")
    table.add_column("")
    for name in CLASSES:
        table.add_column(name, justify="right")
    kept = len(patients.diagnoses) - round(len(patients.diagnoses) * TEST_RATE)
    trained = (training.result.label_counts if training.result else None) or {}
    tested = [sum(row) for row in held_back.matrix]
    rows: dict[str, Iterable[int]] = {
        "all": patients.counts(),
        "in the file's order: training": patients.counts(slice(kept)),
        "in the file's order: test": patients.counts(slice(kept, None)),
        "stratified: training": [trained.get(label, 0) for label in held_back.labels],
        "stratified: test": tested,
    }
    for name, counts in rows.items():
        table.add_row(name, *(str(count) for count in counts))
    return table


def quality(qualities: Mapping[str, Quality]) -> Table:
    """Show what the paper does not: how good the model is on patients held back."""
    table = _table("On the patients held back, and by cross-validation of all")
    table.add_column("")
    for name in qualities:
        table.add_column(name, justify="right")
    columns = [
        [*_scores(each.held_back), *_folds(each.validated)] for each in qualities.values()
    ]
    names = ("accuracy", "loss", "F1 healthy", "F1 COPD", "F1 macro")
    folds = ("5 folds, accuracy", "5 folds, loss")
    for name, *cells in zip((*names, *folds), *columns, strict=True):
        table.add_row(name, *cells)
    return table


def confusion(matrix: ConfusionMatrix, name: str) -> Table:
    """Show a confusion matrix: true classes down, predicted ones across."""
    table = _table(f"Predictions, {name}")
    table.add_column("truth")
    for label in CLASSES:
        table.add_column(label, justify="right")
    for label, row in zip(CLASSES, matrix.matrix, strict=True):
        table.add_row(label, *(str(count) for count in row))
    return table


def _our_times(times: Mapping[str, Times], way: str) -> tuple[str, ...]:
    if way not in times:
        return ("-",) * 5
    ours = times[way]
    return (
        *_against(ours.read_and_fit, times[WAYS[0]].read_and_fit),
        f"{ours.first_step:.2f}",
        f"{ours.fit:.2f}",
        f"{ours.end_to_end:.2f}",
    )


def _scores(training: Training) -> tuple[str, ...]:
    result = training.result
    if result is None or result.classification is None:
        return ("-",) * 5
    report = result.classification
    scores = [each.f1 for each in (*report.classes, report.macro_average)]
    return tuple(
        _number(each) for each in (result.test["accuracy"], result.test["loss"], *scores)
    )


def _folds(training: Training) -> tuple[str, ...]:
    found = training.result.cross_validation if training.result else None
    if found is None:
        return ("-", "-")
    metrics = [found.metrics[name] for name in ("accuracy", "loss")]
    return tuple(f"{_number(each.mean)} ± {_number(each.deviation)}" for each in metrics)


def _against(seconds: float, baseline: float) -> tuple[str, str]:
    return f"{seconds:.2f}", f"{seconds / baseline:.2f}"


def _number(value: float | None) -> str:
    return "undefined" if value is None else f"{value:.3f}"


def _table(title: str) -> Table:
    return Table(box=SIMPLE_HEAD, title=title, title_justify="left", min_width=48)
