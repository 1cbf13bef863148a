"""How the demo looks on a terminal."""

from collections.abc import Iterable

from rich.box import SIMPLE_HEAD
from rich.console import RenderableType
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from kafkaml.schemas.models import Model
from kafkaml.schemas.trainings import ConfusionMatrix, EpochMetrics, Training

_BLOCKS = "▁▂▃▄▅▆▇█"
_CURVE_WIDTH = 20


def short_name(model_name: str) -> str:
    """Leave out what all models of the demo have in common."""
    return model_name.removeprefix("digits-")


def curve(values: list[float]) -> str:
    """Draw numbers from 0 to 1 as a line of blocks, the last ones if there are many."""
    top = len(_BLOCKS) - 1
    return "".join(
        _BLOCKS[round(min(max(v, 0.0), 1.0) * top)] for v in values[-_CURVE_WIDTH:]
    )


def training_progress(
    trainings: Iterable[Training], metrics: dict[int, list[EpochMetrics]]
) -> RenderableType:
    """Show each training's state, its progress and the curve of its validation accuracy."""
    table = Table.grid(padding=(0, 1))
    for training in trainings:
        epochs = metrics.get(training.id, [])
        accuracy = [e.values.get("val_accuracy") or 0.0 for e in epochs]
        table.add_row(
            f"   {short_name(training.model_name)}",
            Text(training.state, style="green" if training.state.is_final else "yellow"),
            ProgressBar(total=training.epochs, completed=len(epochs), width=12),
            f"{len(epochs)}/{training.epochs}",
            Text(curve(accuracy), style="cyan"),
            f"{accuracy[-1]:.3f}" if accuracy else "",
        )
    return table


def comparison(trainings: Iterable[Training], models: dict[int, Model]) -> Table:
    """Compare finished trainings, one in each row."""
    table = Table(
        box=SIMPLE_HEAD,
        title="Trained on the same stream, measured on its test records",
        title_justify="left",
    )
    table.add_column("model")
    for name in ("weights", "records", "accuracy", "loss", "1st step", "fit"):
        table.add_column(name, justify="right")
    for training in trainings:
        result = training.result
        if result is None:
            continue
        found = models[training.model_id].version.check
        counts = result.counts
        table.add_row(
            short_name(training.model_name),
            f"{found.parameter_count:,}" if found else "?",
            f"{counts.training + counts.validation + counts.test:,}",
            f"{result.test['accuracy'] or 0:.4f}",
            f"{result.test['loss'] or 0:.4f}",
            f"{result.timings.first_step:.2f} s",
            f"{result.timings.fit:.2f} s",
        )
    return table


def confusion(matrix: ConfusionMatrix, model_name: str) -> Table:
    """Show a confusion matrix: true classes down, predicted ones across."""
    table = Table(
        title=f"Confusion matrix of {short_name(model_name)}, {matrix.part} records",
        title_justify="left",
        box=None,
        padding=(0, 1),
    )
    table.add_column("")
    for label in matrix.labels:
        table.add_column(label, justify="right", style="dim")
    for label, row in zip(matrix.labels, matrix.matrix, strict=True):
        hit = matrix.labels.index(label)
        cells = [
            Text("·", style="dim")
            if not count
            else Text(str(count), style="bold green" if column == hit else "bold red")
            for column, count in enumerate(row)
        ]
        table.add_row(Text(label, style="dim"), *cells)
    return table


def farewell(url: str, *, is_ours: bool) -> Panel:
    """Say where to go on; `is_ours` if the demo has started the platform."""
    text = f"Every check held.\n\nLook around   {url}/docs"
    if is_ours:
        text += '\nUse it        eval "$(uv run kafkaml-local env)"'
        text += "\nStop it       make down"
    return Panel.fit(text, title="Kafka-ML", border_style="green")
