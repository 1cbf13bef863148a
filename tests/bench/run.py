"""Prints every figure of speed as a ratio taken in this run. Run it by `make bench`."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from tests.bench import api_creates, relay_drain, training_from_kafka, warm_start  # noqa: E402
from tests.support.platform import RunningPlatform  # noqa: E402


def main() -> None:
    """Measure on a platform of its own, in a folder that is removed afterwards."""
    with tempfile.TemporaryDirectory() as folder:
        platform = RunningPlatform(Path(folder))
        try:
            platform.up()
            _report("Training from Kafka", training_from_kafka.measure(platform))
            _report("Starting a training", warm_start.measure(platform.bootstrap_servers))
            _report("Creating things", api_creates.measure(platform))
            _report("Relaying events", relay_drain.measure(platform))
        finally:
            platform.run("down")
    _title("Engines")
    subprocess.run([sys.executable, ROOT / "tests/bench/engines.py"], check=True)
    _title("Learning from a stream without an end")
    subprocess.run(
        [sys.executable, ROOT / "tests/bench/incremental.py"],
        check=True,
        env=os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"},
    )
    _title("Answering a stream")
    for script in ("inferencer_vs_predict.py", "inference_loop.py"):
        subprocess.run(
            [sys.executable, ROOT / "tests/bench" / script],
            check=True,
            env=os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"},
        )


def _report(title: str, lines: list[str]) -> None:
    _title(title)
    print("\n".join(f"  {line}" for line in lines), flush=True)


def _title(text: str) -> None:
    print(f"\n{text}\n{'-' * len(text)}", flush=True)


if __name__ == "__main__":
    main()
