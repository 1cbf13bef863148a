#!/usr/bin/env python
"""Kills the relay at random moments while 16 writers tell of changes.

    tests/soak/relay_kills.py [KILLS]

100 kills by default. Nothing may be lost, and the order of each thing has to hold. It is
the test of the relay, which `make test` runs with a few kills. About 3 s a kill.
"""

import os
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TEST = "tests/api/test_relay.py::test_killed_relays_lose_nothing_and_keep_the_order"


def main() -> None:
    """Exit as the test does."""
    kills = sys.argv[1] if len(sys.argv) > 1 else "100"
    os.environ["KAFKA_ML_TEST_KILLS"] = kills
    os.chdir(ROOT)
    code = pytest.main(["--quiet", TEST])
    print(f"kills={kills} {'FAIL' if code else 'PASS'}")
    sys.exit(code)


if __name__ == "__main__":
    main()
