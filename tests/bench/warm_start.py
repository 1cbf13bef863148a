#!/usr/bin/env python
"""How soon a training takes its first step, with TensorFlow loaded beforehand and without.

    tests/bench/warm_start.py

Trainings below the process executor, with a real stream that is there before they start,
and an API in memory. Cold and warm ones take turns.
"""

import asyncio
import json
import secrets
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from tests.orchestrator.builders import workload  # noqa: E402
from tests.support.servers import choose_folder, shared_servers  # noqa: E402
from tests.trainer.orders import training_order  # noqa: E402
from tests.trainer.streams import (  # noqa: E402
    announce,
    make_topic,
    message_of,
    produce,
    separable,
)

from kafkaml.schemas.workloads import WorkloadKind  # noqa: E402
from orchestrator.config import Settings  # noqa: E402
from orchestrator.executors.process import ProcessExecutor  # noqa: E402
from orchestrator.executors.warm_parent import WarmParent  # noqa: E402

ROUNDS = 5
RECORDS = 300
PATIENCE_SECONDS = 180.0
POINTS = ("runs", "built", "first step")

TRAINER = """\
import json, sys, time
from pathlib import Path
times = {"runs": time.time()}
from kafkaml.config import KafkaSettings
from kafkaml.schemas.attempts import Order
from trainer.config import TrainerSettings
from trainer.run import run
from trainer.testing import InMemoryAttempts

class Attempts(InMemoryAttempts):
    def progress(self, report):
        super().progress(report)
        point = "first step" if report.progress else "built"
        times.setdefault(point, time.time())

order, kafka, target = sys.argv[1:]
code = run(
    attempts=Attempts(Order.model_validate_json(Path(order).read_text())),
    settings=TrainerSettings(),
    kafka=KafkaSettings(bootstrap_servers=kafka),
)
Path(target).write_text(json.dumps(times))
sys.exit(code)
"""

Seconds = dict[str, float]


def measure(bootstrap: str) -> list[str]:
    """Return the lines of the report."""
    cold, warm = [], []
    with tempfile.TemporaryDirectory() as name, _warm_parent() as parent:
        folder = Path(name)
        (folder / "order").write_text(_order(bootstrap))
        for _ in range(ROUNDS):
            cold.append(_train(folder, bootstrap, None))
            warm.append(_train(folder, bootstrap, parent))
    ratio = _median(warm, "first step") / _median(cold, "first step")
    lines = [_line(point, cold, warm) for point in POINTS]
    return [*lines, f"start to first step, warm / cold: {ratio:.2f} (goal 0.30)"]


def _line(point: str, cold: list[Seconds], warm: list[Seconds]) -> str:
    figures = f"cold {_median(cold, point):6.2f} s   warm {_median(warm, point):6.2f} s"
    return f"start to: {point:12} {figures}"


def _median(rounds: list[Seconds], point: str) -> float:
    return statistics.median(each[point] for each in rounds)


def _order(bootstrap: str) -> str:
    """Announce a stream; return the order of a training on it."""
    data, control = (f"warm-{kind}-{secrets.token_hex(4)}" for kind in ("data", "control"))
    for topic in (data, control):
        make_topic(bootstrap, topic)
    written = produce(bootstrap, data, separable(RECORDS))
    announce(bootstrap, control, message_of(written, total_msg=RECORDS))
    return training_order(control, exports=[]).model_dump_json()


@contextmanager
def _warm_parent() -> Iterator[WarmParent]:
    """Yield one that has imported all: only that is measured."""
    parent = WarmParent(command=Settings().warm_command, idle=timedelta(hours=1))
    try:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not parent.is_ready():
            assert time.monotonic() < deadline
            time.sleep(0.2)
        yield parent
    finally:
        parent.close()


def _train(folder: Path, bootstrap: str, parent: WarmParent | None) -> Seconds:
    """Return the seconds from the start to each point."""
    return asyncio.run(_train_below(folder, bootstrap, parent))


async def _train_below(folder: Path, bootstrap: str, parent: WarmParent | None) -> Seconds:
    target = folder / f"times-{secrets.token_hex(4)}"
    command = [sys.executable, "-I", "-c", TRAINER, str(folder / "order"), bootstrap]
    executor = ProcessExecutor(
        directory=folder / "workloads",
        commands={kind: [*command, str(target)] for kind in WorkloadKind},
        warm_parent=parent,
    )
    wanted = workload(memory="4Gi")
    begin = time.time()
    await executor.start(wanted, 0, {})
    deadline = time.monotonic() + PATIENCE_SECONDS
    while (replica := (await executor.list())[0]).is_running:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.1)
    log = (await executor.log(wanted.name, 0)).decode()
    assert replica.exit_code == 0, log
    await executor.forget(wanted.name, 0)
    times: Seconds = json.loads(target.read_text())
    return {point: when - begin for point, when in times.items()}


def main() -> None:
    """Measure on a broker of its own."""
    choose_folder()
    servers = shared_servers()
    try:
        print("\n".join(measure(servers.kafka.address)))
    finally:
        servers.stop()


if __name__ == "__main__":
    main()
