"""A soft sensor: nitrate in a river, told from four cheap sensors, on a stream of JSON.

It starts the platform on this machine unless KAFKA_ML_URL, KAFKA_ML_TOKEN and
KAFKA_ML_BOOTSTRAP_SERVERS name one.
"""

import argparse
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "common"))

from baselines import Errors, mean_errors, persistence_errors
from readings import NITRATE, SENSORS, DataError, Readings
from rich.box import SIMPLE_HEAD
from rich.table import Table
from workbench import (
    CheckFailedError,
    configure,
    console,
    define_models,
    done,
    finished,
    step,
    use_platform,
    wait_until_waiting,
)

from kafkaml.client import Client
from kafkaml.schemas.results import Percentiles, RegressionReport
from kafkaml.schemas.trainings import Training, TrainingResult
from kafkaml.sinks import JsonSink

MODEL = Path(__file__).parent / "models" / "feedforward.py"
BATCH_SIZE = 64
EPOCHS = 20
RESOURCES = {"cpu": "1", "memory": "1536Mi"}


def train(client: Client, readings: Readings, *, epochs: int) -> Training:
    """Train on the readings as a stream, the last fifth of them held back."""
    models = define_models(client, prefix="nitrate", sources=[MODEL], about="Soft sensor")
    configuration_id = configure(client, name="nitrate", models=models)
    deployment = client.deployments.create(
        configuration_id,
        batch_size=BATCH_SIZE,
        epochs=epochs,
        validation_rate=0.1,
        test_rate=0.2,
        split="ordered",
        fit={"restore_best": {"monitor": "val_loss"}},
        resources=RESOURCES,
    )
    wait_until_waiting(client, deployment)
    topic = stream(deployment.id, readings)
    done(f"{len(readings.nitrate):,} readings sent to {topic}")
    return finished(client, deployment.id)


def stream(deployment_id: int, readings: Readings) -> str:
    """Send the readings in the order of time; return the topic."""
    topic = f"nitrate-{deployment_id}"
    with JsonSink(
        topic=topic,
        deployment_id=deployment_id,
        data_fields=SENSORS,
        label_fields=[NITRATE],
        partitions=1,  # only within a partition do records keep their order
        description="Nitrate and four other readings of a river",
    ) as sink:
        sink.send_many(readings.to_records())
    return topic


def comparison(
    report: RegressionReport, readings: Readings, result: TrainingResult
) -> Table:
    """Show the errors of the model and of what needs none, on the same last readings."""
    table = Table(box=SIMPLE_HEAD, title="Nitrate, mg/l of nitrogen", title_justify="left")
    table.add_column("on the last readings")
    for name in ("MAE", "RMSE", "R²"):
        table.add_column(name, justify="right")
    trained, tested = result.counts.training, result.counts.test
    baselines = {
        "always the mean": mean_errors(readings.nitrate, trained=trained, tested=tested),
        "the value before (needs an analyser)": persistence_errors(
            readings.nitrate, tested=tested
        ),
    }
    rows: dict[str, Errors | RegressionReport] = {"the model": report, **baselines}
    for name, errors in rows.items():
        table.add_row(name, *map(_number, (errors.mae, errors.rmse, errors.r2)))
    return table


def residuals(percentiles: Percentiles) -> Table:
    """Show how truth - prediction is spread."""
    table = Table(box=SIMPLE_HEAD, title="Truth - prediction", title_justify="left")
    table.add_column("percentile")
    values = percentiles.model_dump(include=set(Percentiles.model_fields))
    for name in values:
        table.add_column(name.removeprefix("p"), justify="right")
    table.add_row("mg/l", *map(_number, values.values()))
    return table


def _number(value: float | None) -> str:
    return "undefined" if value is None else f"{value:.3f}"


def main(arguments: argparse.Namespace) -> None:
    """Run every step; raise DataError or CheckFailedError where one cannot be done."""
    readings = Readings.from_file(arguments.data, arguments.rows)
    use_platform()
    step(1, "Train a regression on the stream, in the order of time")
    done(f"{readings.left_out} readings are left out: no sensor can read such a value")
    with Client() as client:
        training = train(client, readings, epochs=arguments.epochs)
    result = training.result
    if result is None or result.regression is None:
        raise CheckFailedError(f"training {training.id} measured no regression")
    counts, fit = result.counts, result.fit
    done(
        f"{counts.training:,} to train, {counts.validation:,} to validate, "
        f"{counts.test:,} to test; epoch {fit.best_epoch if fit else '?'} was the best"
    )
    seconds = result.timings
    done(f"read in {seconds.read:.2f} s, fitted in {seconds.fit:.1f} s")
    step(2, "Is it any good?")
    console.print(comparison(result.regression, readings, result))
    console.print(residuals(result.regression.outputs[0].residuals))


def parse() -> argparse.Namespace:
    """Return the arguments of the command line."""
    parser = argparse.ArgumentParser(description="A soft sensor for nitrate.")
    columns = ", ".join((*SENSORS, NITRATE))
    parser.add_argument(
        "--data", type=Path, required=True, help=f"a CSV file with the columns {columns}"
    )
    parser.add_argument("--rows", type=int, help="use so many of its rows; all by default")
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    return parser.parse_args()


if __name__ == "__main__":
    try:
        main(parse())
    except (CheckFailedError, DataError) as e:
        console.print(f"   [bold red]✗[/] {e}")
        sys.exit(1)
