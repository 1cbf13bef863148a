"""Runs of these tests take turns: they all install the platform under the same names."""

import fcntl
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

LOCK = Path(tempfile.gettempdir()) / "kafka-ml-kubernetes-tests.lock"


@contextmanager
def own_turn() -> Iterator[None]:
    """Wait until no other run of this machine uses the cluster."""
    with LOCK.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
