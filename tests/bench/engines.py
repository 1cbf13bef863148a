"""What the chosen engine costs, beside every engine that could be taken by hand.

Four models and four batch sizes; all exports are made as a training makes them. Then, from
the start of a process: the first answer and the memory of LiteRT and of TensorFlow.
"""

import argparse
import hashlib
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

import numpy as np  # noqa: E402
from tests.inferencer.orders import inference_order, order_of  # noqa: E402

from inferencer.config import InferencerSettings  # noqa: E402
from inferencer.engines.ladder import EngineLadder  # noqa: E402
from inferencer.testing import MemoryAttempts  # noqa: E402
from kafkaml.config import LogSettings  # noqa: E402
from kafkaml.logging import configure_logging  # noqa: E402
from kafkaml.schemas.engines import EngineChoice  # noqa: E402
from kafkaml.schemas.trainings import Artifact, ArtifactFormat  # noqa: E402

SHAPES = {"mlp": (784,), "cnn": (28, 28, 1), "gru": (32, 8), "wide": (64,)}
BATCH_SIZES = (1, 8, 32, 256)
LIMIT = 1.15
TOLERANCE = 1e-5
SECONDS_A_ROW = 1.5
CALLS_A_TURN = 3
LEAST_CALLS = 15
STARTS = 5
ENVIRONMENT = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"}
FORMATS = (ArtifactFormat.KERAS, ArtifactFormat.LITERT, ArtifactFormat.SAVED_MODEL)


def main() -> None:
    """Print all figures, or do one part of it in a process of its own."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--part", choices=["make", "calls", "start"])
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--engine", default="auto", choices=list(EngineChoice))
    given = parser.parse_args()
    configure_logging(LogSettings(log_level="error"))
    match given.part:
        case "make":
            make_models(given.folder)
        case "calls":
            print_calls(given.folder)
        case "start":
            print(json.dumps(first_answer(given.folder, EngineChoice(given.engine))))
        case _:
            measure()


def measure() -> None:
    with tempfile.TemporaryDirectory() as folder:
        run_part("make", folder)
        run_part("calls", folder)
        print_starts(folder)


def run_part(part: str, folder: str, *options: str) -> str:
    """Run a part in a process that has imported nothing yet; pass on what it prints."""
    command = [sys.executable, __file__, "--part", part, "--folder", folder, *options]
    is_data = part == "start"
    done = subprocess.run(
        command,
        check=True,
        env=ENVIRONMENT,
        stdout=subprocess.PIPE if is_data else None,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    return done.stdout or ""


def make_models(folder: Path) -> None:
    """Write every model in every format, by the code that trainings export with."""
    import keras

    from kafkaml.descriptions import TensorSignature
    from trainer.exports.exportable import Exportable
    from trainer.exports.graphs import export_saved_model
    from trainer.exports.litert import export_litert
    from trainer.exports.sample import Answers

    keras.utils.set_random_seed(1)
    os.chdir(folder)
    for name, model in models(keras.layers, keras.Sequential).items():
        records = records_of(name, 256)
        rows = np.asarray(model(records, training=False))
        exportable = Exportable(
            model=model,
            input=TensorSignature(name="record", dtype="float32", shape=list(SHAPES[name])),
            output=TensorSignature(
                name="answer", dtype="float32", shape=list(rows.shape[1:])
            ),
            records=records,
            answers=Answers(rows),
        )
        model.save(folder / f"{name}.keras")
        export_litert(exportable, folder / f"{name}.litert")
        export_saved_model(exportable, folder / f"{name}.saved_model")


def models(layers: Any, sequential: Callable[[list[Any]], Any]) -> dict[str, Any]:
    import keras

    made = {
        "mlp": [layers.Dense(128, activation="relu")],
        "cnn": [
            layers.Conv2D(32, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(64, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dense(128, activation="relu"),
        ],
        "gru": [layers.GRU(32)],
        "wide": [
            layers.Dense(2048, activation="relu"),
            layers.Dense(2048, activation="relu"),
        ],
    }
    return {
        name: sequential(
            [keras.Input(SHAPES[name]), *hidden, layers.Dense(10, activation="softmax")]
        )
        for name, hidden in made.items()
    }


def records_of(name: str, rows: int) -> Any:
    return np.random.default_rng(rows).random((rows, *SHAPES[name]), np.float32)


def load(folder: Path, name: str, wanted: EngineChoice) -> Any:
    """Return the engine of a choice, and its report."""
    contents = {each: (folder / f"{name}.{each}").read_bytes() for each in FORMATS}
    artifacts = [
        Artifact(
            size_bytes=len(content),
            sha256=hashlib.sha256(content).hexdigest(),
            format=kind,
        )
        for kind, content in contents.items()
    ]
    order = inference_order(input_shape=SHAPES[name]).model_copy(
        update={"artifact": artifacts[0], "artifacts": artifacts, "engine": wanted}
    )
    keras = contents.pop(ArtifactFormat.KERAS)
    attempts = MemoryAttempts(order=order_of(order), artifact=keras, exports=contents)
    return EngineLadder.of(InferencerSettings()).load(order, attempts)


def print_calls(folder: Path) -> None:
    """Print the median of a call of each engine, taking turns."""
    worst = 0.0
    print(f"  {'':12}{'auto':>10}{'litert':>10}{'saved_m.':>10}{'keras':>10}   ratio")
    for name in SHAPES:
        engines = {each: load(folder, name, each).engine for each in EngineChoice}
        for size in BATCH_SIZES:
            batch = records_of(name, size)
            check_equal(name, [engine.predict(batch) for engine in engines.values()])
            calls = {each: engine.predict for each, engine in engines.items()}
            milliseconds = medians(calls, batch)
            chosen = milliseconds[EngineChoice.AUTO]
            by_hand = {
                each: taken
                for each, taken in milliseconds.items()
                if each is not EngineChoice.AUTO
            }
            ratio = chosen / min(by_hand.values())
            worst = max(worst, ratio)
            cells = "".join(f"{taken:10.3f}" for taken in (chosen, *by_hand.values()))
            print(f"  {name:6}{size:5} {cells}{ratio:8.2f}", flush=True)
    print(f"  milliseconds of a call; the largest ratio is {worst:.2f} (goal: {LIMIT})")


def medians(
    calls: dict[EngineChoice, Callable[[Any], Any]], batch: Any
) -> dict[EngineChoice, float]:
    """Return the median milliseconds of each, in turns of several calls.

    The first call of a turn does not count: it finds the caches and threads of another
    engine. The order of the turns changes, for some leave more behind than others.
    """
    taken: dict[EngineChoice, list[float]] = {each: [] for each in calls}
    turns = list(calls.items())
    shuffled = random.Random(1)
    end = time.monotonic() + SECONDS_A_ROW
    while time.monotonic() < end or len(taken[EngineChoice.AUTO]) < LEAST_CALLS:
        shuffled.shuffle(turns)
        for each, call in turns:
            call(batch)
            for _ in range(CALLS_A_TURN):
                started = time.perf_counter()
                call(batch)
                taken[each].append((time.perf_counter() - started) * 1000)
    return {each: statistics.median(values) for each, values in taken.items()}


def check_equal(name: str, answers: Iterable[Any]) -> None:
    first, *others = answers
    difference = max(float(np.abs(first - other).max()) for other in others)
    if difference > TOLERANCE:
        raise ValueError(f"the engines of {name} differ by {difference}")


def print_starts(folder: str) -> None:
    """Print the first answer and the memory, in processes that take turns."""
    rows = []
    for _ in range(STARTS):
        started = time.perf_counter()
        subprocess.run(
            [sys.executable, "-c", "import tensorflow"], check=True, env=ENVIRONMENT
        )
        bare = time.perf_counter() - started
        lite, lite_mebibytes = start(folder, EngineChoice.AUTO)
        _, full_mebibytes = start(folder, EngineChoice.KERAS)
        rows.append((bare, lite, lite / bare, lite_mebibytes / full_mebibytes))
    bare, lite, seconds, memory = (
        statistics.median(row) for row in zip(*rows, strict=True)
    )
    print(f"  import tensorflow {bare:.2f} s, process start to first answer {lite:.2f} s")
    print(f"  ratio {seconds:.2f} (goal: 0.15)")
    print(
        f"  memory of LiteRT {lite_mebibytes:.0f} MiB, TensorFlow {full_mebibytes:.0f} MiB"
    )
    print(f"  ratio {memory:.2f} (goal: 0.20)", flush=True)


def start(folder: str, engine: EngineChoice) -> tuple[float, float]:
    """Return the seconds and MiB of a process until its first answer."""
    started = time.time()
    answered = json.loads(run_part("start", folder, "--engine", engine))
    return answered["at"] - started, answered["mebibytes"]


def first_answer(folder: Path, engine: EngineChoice) -> dict[str, float]:
    """Answer one record with all that a replica imports; return when, and the memory."""
    import inferencer.main  # noqa: F401

    loaded = load(folder, "mlp", engine)
    loaded.engine.predict(records_of("mlp", 1))
    at = time.time()
    if engine is EngineChoice.AUTO and "tensorflow" in sys.modules:
        raise ValueError("LiteRT was not taken, or something imported TensorFlow")
    return {"at": at, "mebibytes": proportional_set_size() / 2**20}


def proportional_set_size() -> int:
    """Return the bytes of this process, those that it shares in equal parts."""
    lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
    [line] = [each for each in lines if each.startswith("Pss:")]
    return int(line.split()[1]) * 1024


if __name__ == "__main__":
    main()
