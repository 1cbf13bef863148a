#!/usr/bin/env python
"""Trains on a stream that is larger than its memory budget; prints memory and times.

    tests/soak/large_stream.py [RECORDS] [BUDGET] [EPOCHS]

2 million records of 784 bytes, a budget of 256Mi and 1 epoch by default. Of the trainer and
of the model's process it prints the most that each had: anonymous memory, which counts
against a limit, and mapped files, which the system can take back. The broker is one of its
own, unless KAFKA_ML_BOOTSTRAP_SERVERS names one. Needs as much disk as the records, twice.
"""

import os
import secrets
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import psutil

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from tests.bench.brokers import broker  # noqa: E402
from tests.bench.ingest import MODEL  # noqa: E402
from tests.bench.streams import send_digits  # noqa: E402
from tests.trainer.orders import training_order  # noqa: E402
from tests.trainer.streams import announce, make_topic  # noqa: E402

from kafkaml.config import KafkaSettings  # noqa: E402
from trainer.config import TrainerSettings  # noqa: E402
from trainer.run import run  # noqa: E402
from trainer.testing import InMemoryAttempts  # noqa: E402

SIZE = 784
LOOK_SECONDS = 0.05
FIELDS = ("RssAnon", "RssFile", "RssShmem")


@dataclass
class Memory:
    """The most kibibytes that processes had, by their part and the kind of memory."""

    most: dict[tuple[str, str], int] = field(default_factory=dict)
    ended: threading.Event = field(default_factory=threading.Event)

    def watch(self) -> None:
        """Look until it is ended."""
        me = psutil.Process()
        while not self.ended.wait(LOOK_SECONDS):
            self._look("trainer", os.getpid())
            for child in me.children(recursive=True):
                if _is_of_python(child):
                    self._look("model's process", child.pid)

    def _look(self, part: str, process_id: int) -> None:
        for name, kibibytes in _status(process_id).items():
            key = (part, name)
            self.most[key] = max(self.most.get(key, 0), kibibytes)


def main(records: str = "2000000", budget: str = "256Mi", epochs: str = "1") -> None:
    """Send, train, print."""
    with tempfile.TemporaryDirectory() as folder, broker(Path(folder)) as servers:
        stream = send_digits(servers, count=int(records), size=SIZE, partitions=4)
        control = f"control-{secrets.token_hex(4)}"
        make_topic(servers, control)
        announce(servers, control, stream.announcement(1, test_rate=0.01))
        before = _status(os.getpid())
        print(f"before: {before['RssAnon'] // 1024} MiB anonymous", flush=True)
        memory = Memory()
        watcher = threading.Thread(target=memory.watch)
        watcher.start()
        work = Path(folder) / "work"
        work.mkdir()
        attempts = InMemoryAttempts(
            training_order(
                control,
                source=MODEL,
                epochs=int(epochs),
                batch_size=128,
                resources={"memory": "2Gi"},
                max_attempts=1,
            )
        )
        started = time.monotonic()
        run(
            attempts=attempts,
            settings=TrainerSettings(data_memory=budget, work_directory=work),
            kafka=KafkaSettings(bootstrap_servers=servers),
        )
        memory.ended.set()
        watcher.join()
        _print(attempts, memory, time.monotonic() - started)


def _print(attempts: InMemoryAttempts, memory: Memory, seconds: float) -> None:
    report = attempts.accepted_result
    if report is None:
        sys.exit(f"the training failed: {attempts.accepted_failure}")
    took = report.result.timings
    print(
        f"{report.result.counts.training} training records, {seconds:.1f} s: read "
        f"{took.read:.1f} s, fit {took.fit:.1f} s, evaluate {took.evaluate:.1f} s"
    )
    for (part, name), kibibytes in sorted(memory.most.items()):
        print(f"{part:<16} {name:<9} at most {kibibytes // 1024:>6} MiB")


def _is_of_python(process: psutil.Process) -> bool:
    try:
        return "python" in process.name()
    except psutil.Error:
        return False


def _status(process_id: int) -> dict[str, int]:
    """Return kinds of memory in KiB, Pss among them; nothing of one that has ended."""
    try:
        lines = Path(f"/proc/{process_id}/status").read_text().splitlines()
        lines += Path(f"/proc/{process_id}/smaps_rollup").read_text().splitlines()
    except OSError:
        return {}
    pairs = (line.split(":", 1) for line in lines if ":" in line)
    return {
        name: int(value.split()[0])
        for name, value in pairs
        if name in {*FIELDS, "Pss", "Pss_Anon"}
    }


if __name__ == "__main__":
    main(*sys.argv[1:])
