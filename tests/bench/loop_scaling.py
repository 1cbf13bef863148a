"""What a second replica is worth: processes that share two partitions.

tests/bench/loop_scaling.py ORDER.json     one replica, for the benchmark itself
"""

import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from tests.bench.loop_engines import heavy  # noqa: E402
from tests.bench.loop_runs import Bench, check, wait_for  # noqa: E402
from tests.inferencer.orders import order_of  # noqa: E402

from inferencer.config import InferencerSettings  # noqa: E402
from inferencer.factory import build_replica  # noqa: E402
from inferencer.models import Engines  # noqa: E402
from inferencer.report import Reporter  # noqa: E402
from inferencer.testing import MemoryAttempts  # noqa: E402
from kafkaml.schemas.attempts import Order  # noqa: E402
from kafkaml.schemas.outputs import Guarantee  # noqa: E402

JOIN_SECONDS = 8.0


def measure(bench: Bench) -> list[str]:
    """Return the rates of one and of two replicas, and their ratio."""
    records = bench.records // 3
    one, two = (_rate(bench, records, replicas) for replicas in (1, 2))
    return [
        f"one replica {one:.0f}, two {two:.0f} records/s",
        f"two replicas / one                 {two / one:10.2f}",
    ]


def _rate(bench: Bench, records: int, replicas: int) -> float:
    """Return the records per second once every replica joined and waits."""
    topic = bench.filled_topic(0, partitions=2)
    order = bench.order(topic, Guarantee.AT_LEAST_ONCE)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "order.json"
        file.write_text(order_of(order).model_dump_json())
        environment = os.environ | {
            "KAFKA_ML_BOOTSTRAP_SERVERS": bench.topics.bootstrap_servers,
            "OPENBLAS_NUM_THREADS": "1",
        }
        command = [sys.executable, __file__, str(file)]
        processes = [
            subprocess.Popen(command, cwd=ROOT, env=environment) for _ in range(replicas)
        ]
        try:
            time.sleep(JOIN_SECONDS)
            bench.fill(topic, records)
            began = time.perf_counter()
            wait_for(lambda: bench.topics.count(order.output_topic), records)
            rate = records / (time.perf_counter() - began)
        finally:
            for process in processes:
                process.send_signal(signal.SIGTERM)
            for process in processes:
                process.wait(timeout=60)
    check(bench, order, records, heavy())
    return rate


def _serve(file: Path) -> None:
    order = Order.model_validate_json(file.read_bytes())
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    assert order.inference is not None
    replica = build_replica(
        settings=InferencerSettings(),
        order=order.inference,
        engines=Engines(primary=heavy()),
        key="",
        reporter=Reporter(attempts=MemoryAttempts(order=order), replica=0, stop=stop),
    )
    replica.stream.run(order.inference.input_topic, stop)


if __name__ == "__main__":
    _serve(Path(sys.argv[1]))
