"""One prediction after another, beside Table II of the paper: its model on its patients.

Normal is `predict` in a process of its own. With streams is a record into Kafka and its
answer back, by a replica on this machine. KAFKA_ML_CONTAINERS_URL, _TOKEN and
_BOOTSTRAP_SERVERS name a platform whose replicas are containers. KAFKA_ML_TEST_DATA names
the folder of hcopd.csv.
"""

import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "examples" / each) for each in ("common", "copd")]

from experiment import Site  # noqa: E402
from latency import prediction_seconds  # noqa: E402
from patients import Patients  # noqa: E402
from runs import fit_from_stream, fit_in_memory  # noqa: E402
from tables import PAPER_PREDICTION, WAYS  # noqa: E402
from tests.support.data_sets import BESIDE, FOLDER_VARIABLE  # noqa: E402
from tests.support.platform import RunningPlatform  # noqa: E402
from workbench import Platform  # noqa: E402

EPOCHS = 1  # how good the model is makes no difference to its time
NORMAL, STREAMS, CONTAINERS = WAYS


def measure(running: RunningPlatform) -> Iterator[str]:
    """Yield the medians of single predictions, in milliseconds, beside the paper's."""
    file = Path(os.environ.get(FOLDER_VARIABLE, BESIDE)) / "hcopd.csv"
    if not file.is_file():
        yield f"not run: there is no {file}; {FOLDER_VARIABLE} can name its folder"
        return
    patients = Patients.from_file(file)
    ours = {NORMAL: _normal(patients)}
    here = Platform(running.url, running.token, running.bootstrap_servers)
    ours[STREAMS] = _through(here, patients)
    containers = Platform.from_environment("KAFKA_ML_CONTAINERS_")
    if containers is not None:
        ours[CONTAINERS] = _through(containers, patients)
    yield f"{'ms of one prediction':28}{'paper':>10}{'ratio':>8}{'here':>10}{'ratio':>8}"
    for way, paper in zip(WAYS, PAPER_PREDICTION, strict=True):
        yield f"{way:28}{_beside(paper, PAPER_PREDICTION[0])}{_ours(ours, way)}"


def _normal(patients: Patients) -> float:
    with tempfile.TemporaryDirectory() as folder:
        data = patients.save(Path(folder) / "patients.npz")
        return fit_in_memory(data, epochs=EPOCHS).predict


def _through(platform: Platform, patients: Patients) -> float:
    """Return the seconds of a prediction by a platform that trains the model first."""
    site = Site.prepare(platform)
    _, training = fit_from_stream(
        site.client, platform, site.configuration_id, patients, epochs=EPOCHS
    )
    return prediction_seconds(site.client, platform, training, patients)


def _ours(seconds: dict[str, float], way: str) -> str:
    if way not in seconds:
        return "   not run: KAFKA_ML_CONTAINERS_URL names no platform"
    return _beside(seconds[way], seconds[NORMAL])


def _beside(seconds: float, normal: float) -> str:
    return f"{1000 * seconds:10.1f}{seconds / normal:8.2f}"
