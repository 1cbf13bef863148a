#!/usr/bin/env python
"""Kills the process of a training at random moments; prints what that cost.

    tests/soak/trainer_kills.py [KILLS] [SEED]

One training after the other is killed a few times, 100 kills in all by default, and must
come to what an uninterrupted one came to, bit by bit. About 10 s a kill.
"""

import random
import sys
import tempfile
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from tests.trainer.kills import CHECKPOINT_SECONDS, Killed, train_killed  # noqa: E402

KILLS_PER_TRAINING = 10
# What writing and telling may take beside the interval.
MARGIN_SECONDS = 2.0


def main() -> None:
    """Kill as often as told; exit 1 at the first training that is not as it would be."""
    kills = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else random.SystemRandom().getrandbits(32)
    print(f"seed {seed}", flush=True)
    chance = random.Random(seed)
    done: list[Killed] = []
    with tempfile.TemporaryDirectory() as folder:
        whole = train_killed(Path(folder) / "whole", kills=0, chance=chance)
        while (left := kills - sum(run.kills for run in done)) > 0:
            run = train_killed(
                Path(folder) / f"killed-{len(done)}",
                kills=min(left, KILLS_PER_TRAINING),
                chance=chance,
            )
            done.append(run)
            _report(done, is_same=_is_same(run, whole))


def _is_same(run: Killed, whole: Killed) -> bool:
    pairs = zip(run.weights, whole.weights, strict=True)
    return (
        all(np.array_equal(*pair) for pair in pairs)
        and run.epochs == whole.epochs
        and run.outcome == whole.outcome
    )


def _report(done: list[Killed], *, is_same: bool) -> None:
    redone = [seconds for run in done for seconds in run.redone_seconds]
    is_good = is_same and max(redone) <= CHECKPOINT_SECONDS + MARGIN_SECONDS
    print(
        f"trainings={len(done)} kills={len(redone)} "
        f"resumed={sum(run.resumed for run in done)} "
        f"redone max={max(redone):.2f} s mean={np.mean(redone):.2f} s "
        f"(interval {CHECKPOINT_SECONDS} s) {'PASS' if is_good else 'FAIL'}",
        flush=True,
    )
    if not is_good:
        sys.exit(1)


if __name__ == "__main__":
    main()
