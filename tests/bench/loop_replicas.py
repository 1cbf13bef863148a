"""Replicas as processes of their own, with one thread each for the model.

tests/bench/loop_replicas.py ORDER.json START REPEATS

One replica of the heavy model with so many repetitions, which begins when START exists.
"""

import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from tests.bench.loop_engines import heavy  # noqa: E402
from tests.bench.loop_runs import Bench  # noqa: E402
from tests.inferencer.orders import order_of  # noqa: E402

from inferencer.config import InferencerSettings  # noqa: E402
from inferencer.factory import build_replica  # noqa: E402
from inferencer.garbage import collect_rarely  # noqa: E402
from inferencer.models import Engines  # noqa: E402
from inferencer.report import Reporter  # noqa: E402
from inferencer.testing import MemoryAttempts  # noqa: E402
from kafkaml.config import LogSettings  # noqa: E402
from kafkaml.logging import configure_logging  # noqa: E402
from kafkaml.schemas.attempts import InferenceOrder, Order  # noqa: E402

ENVIRONMENT = {"OPENBLAS_NUM_THREADS": "1"}
READY_SECONDS = 60.0


@contextmanager
def replicas(
    bench: Bench, order: InferenceOrder, count: int, *, repeats: int = 4
) -> Iterator[None]:
    """Run replicas that begin together, from when all of them serve.

    The header `kafkaml-model` of an answer says whose it is.
    """
    environment = os.environ | ENVIRONMENT
    environment |= {"KAFKA_ML_BOOTSTRAP_SERVERS": bench.topics.bootstrap_servers}
    with tempfile.TemporaryDirectory() as folder:
        start = Path(folder) / "start"
        processes = []
        for number in range(1, count + 1):
            file = Path(folder) / f"{number}.json"
            own = order_of(order.model_copy(update={"model_version": number}))
            file.write_text(own.model_dump_json())
            command = [sys.executable, __file__, str(file), str(start), str(repeats)]
            processes.append(subprocess.Popen(command, cwd=ROOT, env=environment))
        try:
            _wait_for(Path(folder), "ready", count)
            start.touch()
            _wait_for(Path(folder), "serving", count)
            yield
        finally:
            for process in processes:
                process.send_signal(signal.SIGTERM)
            for process in processes:
                process.wait(timeout=60)


def _wait_for(folder: Path, what: str, count: int) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while len(list(folder.glob(f"*.{what}"))) < count:
        if time.monotonic() > deadline:
            raise TimeoutError(f"the replicas are not {what}")
        time.sleep(0.05)


def _serve(file: Path, start: Path, repeats: int) -> None:
    configure_logging(LogSettings(log_level="error"))
    order = Order.model_validate_json(file.read_bytes())
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    assert order.inference is not None
    attempts = MemoryAttempts(order=order)
    replica = build_replica(
        settings=InferencerSettings(),
        order=order.inference,
        engines=Engines(primary=heavy(repeats)),
        key="",
        reporter=Reporter(attempts=attempts, replica=0, stop=stop),
    )
    collect_rarely()
    file.with_suffix(".ready").touch()
    while not start.exists() and not stop.is_set():
        time.sleep(0.01)
    threading.Thread(target=_tell_serving, args=(attempts, file), daemon=True).start()
    replica.stream.run(order.inference.input_topic, stop)


def _tell_serving(attempts: MemoryAttempts, file: Path) -> None:
    attempts.reported_serving.wait()
    file.with_suffix(".serving").touch()


if __name__ == "__main__":
    _serve(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))
