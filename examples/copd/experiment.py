"""The evaluation of the Kafka-ML paper, on patients with COPD and healthy ones.

It starts the platform on this machine unless KAFKA_ML_URL, KAFKA_ML_TOKEN and
KAFKA_ML_BOOTSTRAP_SERVERS name one. `--compose .env`, or KAFKA_ML_CONTAINERS_URL and the
like, name a second one, whose trainings run in containers.
"""

import argparse
import sys
import tempfile
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

sys.path.append(str(Path(__file__).parents[1] / "common"))

from latency import prediction_seconds
from patients import DataError, Patients
from runs import MODEL, Times, Variation, deploy, fit_from_stream, fit_in_memory, send_again
from tables import (
    WAYS,
    Quality,
    classes_by_part,
    confusion,
    prediction_times,
    quality,
    training_times,
)
from workbench import (
    CheckFailedError,
    Platform,
    check,
    configure,
    console,
    define_models,
    done,
    step,
    use_platform,
    wait_recorded,
)

from kafkaml.client import Client
from kafkaml.schemas.trainings import Training

NORMAL, STREAMS, CONTAINERS = WAYS
# With 191 patients in batches of 10 these are the 1,000 steps of the paper's example.
EPOCHS = 50
WHOLE: Variation = {"test_rate": 0.0, "folds": 5}
FASTER: Variation = {"learning_rate": 0.01}
PUBLISHED = "as published"
LEARNING = "learning rate 0.01"


@dataclass(frozen=True)
class Site:
    """A platform with the paper's model, ready to be deployed."""

    platform: Platform
    client: Client
    configuration_id: int

    @classmethod
    def prepare(cls, platform: Platform) -> Self:
        """Create the model and its configuration."""
        client = platform.client()
        models = define_models(client, prefix="copd", sources=[MODEL], about="COPD")
        configuration_id = configure(client, name="copd", models=models)
        return cls(platform, client, configuration_id)


@dataclass(frozen=True)
class Measured:
    """What the rounds came to: times by way, and the last training of each platform."""

    times: Mapping[str, Times]
    predict: float
    trainings: Mapping[str, Training]


def find_sites(compose: Path | None) -> dict[str, Site]:
    """Prepare the platforms that there are, by the way in which they train."""
    containers = (
        Platform.from_compose(compose)
        if compose
        else Platform.from_environment("KAFKA_ML_CONTAINERS_")
    )
    use_platform()
    found = {STREAMS: Platform.from_environment("KAFKA_ML_"), CONTAINERS: containers}
    sites = {}
    for way, platform in found.items():
        if platform is not None:
            sites[way] = Site.prepare(platform)
            done(f"{way}: {platform.url}")
    if CONTAINERS not in sites:
        done(
            f"{CONTAINERS}: left out. Run `make demo-compose` and give --compose .env, or "
            "name a platform in KAFKA_ML_CONTAINERS_URL, _TOKEN and _BOOTSTRAP_SERVERS"
        )
    return sites


def measure(
    sites: Mapping[str, Site], patients: Patients, *, rounds: int, epochs: int
) -> Measured:
    """Train in every way in turn, as often as there are rounds."""
    times: dict[str, list[Times]] = defaultdict(list)
    predict, trainings = [], {}
    with tempfile.TemporaryDirectory() as folder:
        data = patients.save(Path(folder) / "patients.npz")
        for number in range(1, rounds + 1):
            normal = fit_in_memory(data, epochs=epochs)
            times[NORMAL].append(normal.times)
            predict.append(normal.predict)
            for way, site in sites.items():
                taken, trainings[way] = fit_from_stream(
                    site.client,
                    site.platform,
                    site.configuration_id,
                    patients,
                    epochs=epochs,
                )
                times[way].append(taken)
            shown = (f"{way} {all_[-1].read_and_fit:.2f} s" for way, all_ in times.items())
            done(f"round {number}: {', '.join(shown)}")
    medians = {way: Times.median(rounds) for way, rounds in times.items()}
    return Measured(medians, sorted(predict)[len(predict) // 2], trainings)


def validate(site: Site, held_back: Training, *, epochs: int) -> dict[str, Quality]:
    """Train on the recorded stream again: cross-validated, and with a higher rate."""
    deployments = [
        deploy(site.client, site.configuration_id, epochs=epochs, **varied)
        for varied in (WHOLE, FASTER, WHOLE | FASTER)
    ]
    source = wait_recorded(site.client, held_back.deployment_id)
    done(f"datasource {source} sent again to {[each.id for each in deployments]}")
    whole, faster, both = send_again(site.client, source, deployments)
    return {PUBLISHED: Quality(held_back, whole), LEARNING: Quality(faster, both)}


def show_quality(site: Site, patients: Patients, qualities: Mapping[str, Quality]) -> None:
    """Print the classes in each part, the scores and the confusion matrices."""
    matrices = {
        name: site.client.trainings.confusion_matrix(each.held_back.id)
        for name, each in qualities.items()
    }
    held_back = qualities[PUBLISHED].held_back
    console.print(classes_by_part(patients, held_back, matrices[PUBLISHED]))
    check(
        holds=all(sum(row) for row in matrices[PUBLISHED].matrix),
        text="both classes are among the patients held back",
    )
    console.print(quality(qualities))
    for name, matrix in matrices.items():
        console.print(confusion(matrix, name))


def main(arguments: argparse.Namespace) -> None:
    """Run every step; raise DataError or CheckFailedError where one cannot be done."""
    data, rounds, epochs = arguments.data, arguments.rounds, arguments.epochs
    patients = Patients.from_file(data) if data else Patients.fetched()
    step(1, "The model of the paper, on each platform")
    sites = find_sites(arguments.compose)
    step(2, f"Train it {rounds} times in every way: {epochs} epochs, batches of 10")
    measured = measure(sites, patients, rounds=rounds, epochs=epochs)
    console.print(training_times(measured.times))
    step(3, "What the paper leaves out: is it any good?")
    first = sites[STREAMS]
    qualities = validate(first, measured.trainings[STREAMS], epochs=epochs)
    show_quality(first, patients, qualities)
    step(4, "One prediction at a time")
    seconds = {NORMAL: measured.predict}
    for way, site in sites.items():
        training = measured.trainings[way]
        seconds[way] = prediction_seconds(site.client, site.platform, training, patients)
    console.print(prediction_times(seconds))


def parse() -> argparse.Namespace:
    """Return the arguments of the command line."""
    parser = argparse.ArgumentParser(description="The evaluation of the Kafka-ML paper.")
    parser.add_argument(
        "--data",
        type=Path,
        help="Exasens.csv, or its columns Diagnosis, Gender, Age and Smoking; without it "
        "ucimlrepo fetches it",
    )
    parser.add_argument(
        "--compose",
        type=Path,
        metavar=".env",
        help="the settings of a platform in Docker, for the row with containers",
    )
    parser.add_argument("--rounds", type=int, default=3, help="medians are of so many")
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    return parser.parse_args()


if __name__ == "__main__":
    try:
        main(parse())
    except (CheckFailedError, DataError) as e:
        console.print(f"   [bold red]✗[/] {e}")
        sys.exit(1)
