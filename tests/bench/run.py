#!/usr/bin/env python
"""Prints every figure of speed as a ratio taken in this run. Run it by `make bench`.

tests/bench/run.py [PART ...]       only these parts
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from tests.bench import (  # noqa: E402
    api_creates,
    published_inference,
    relay_drain,
    training_from_kafka,
    warm_start,
)
from tests.support.platform import RunningPlatform  # noqa: E402

# What runs on one platform of their own.
ON_PLATFORM: dict[str, tuple[str, Callable[[RunningPlatform], Iterable[str]]]] = {
    "training": ("Training from Kafka", training_from_kafka.measure),
    "warm": (
        "Starting a training",
        lambda platform: warm_start.measure(platform.bootstrap_servers),
    ),
    "creates": ("Creating things", api_creates.measure),
    "relay": ("Relaying events", relay_drain.measure),
    "published": ("One prediction, beside the paper's", published_inference.measure),
}
# What brings all that it needs.
SCRIPTS = {
    "ingest": ("Reading a stream", ["ingest.py"]),
    "incremental": ("Learning from a stream without an end", ["incremental.py"]),
    "engines": ("Engines", ["engines.py"]),
    "inference": ("Answering a stream", ["inferencer_vs_predict.py", "inference_loop.py"]),
}


def main(wanted: list[str]) -> int:
    """Measure in the order above; return the exit code."""
    known = [*ON_PLATFORM, *SCRIPTS]
    if unknown := set(wanted) - set(known):
        print(f"no part {', '.join(sorted(unknown))}: there are {', '.join(known)}")
        return 2
    chosen = wanted or known
    _measure_on_platform([name for name in ON_PLATFORM if name in chosen])
    for name, (title, scripts) in SCRIPTS.items():
        if name in chosen:
            _run_scripts(title, scripts)
    return 0


def _measure_on_platform(names: list[str]) -> None:
    """Measure on a platform in a folder that is removed afterwards."""
    if not names:
        return
    with tempfile.TemporaryDirectory() as folder:
        platform = RunningPlatform(Path(folder))
        try:
            platform.up()
            for name in names:
                title, measure = ON_PLATFORM[name]
                _show_title(title)
                for line in measure(platform):
                    print(f"  {line}", flush=True)
        finally:
            platform.run("down")


def _run_scripts(title: str, scripts: list[str]) -> None:
    _show_title(title)
    environment = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"}
    for script in scripts:
        command = [sys.executable, str(ROOT / "tests/bench" / script)]
        subprocess.run(command, check=True, env=environment)


def _show_title(text: str) -> None:
    print(f"\n{text}\n{'-' * len(text)}", flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
