"""All that descends from this process: what it uses, and how to end it."""

import ctypes
import os
import sys
import time
from collections.abc import Iterator
from contextlib import suppress

import psutil

_PR_SET_CHILD_SUBREAPER = 36


def adopt_orphans() -> None:
    """Become the parent of descendants whose parent dies, so that none gets away.

    Only Linux can do that; elsewhere a descendant that leaves its group is not found.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


class ProcessTree:
    """The descendants of the calling process."""

    def __init__(self) -> None:
        self._self = psutil.Process()

    def memory_bytes(self, limit: int) -> int:
        """Return the memory in use; what processes share counts once if it matters.

        The exact figure is dear, so it is taken only once the rough one is above `limit`.
        """
        rough = sum(self._resident(process) for process in self._living())
        if rough <= limit:
            return rough
        return sum(self._proportional(process) for process in self._living())

    def cpu_seconds(self) -> float:
        """Return the CPU time used so far, also by descendants that have ended."""
        own = self._self.cpu_times()
        ended = own.children_user + own.children_system
        return ended + sum(self._cpu(process) for process in self._living())

    def reap(self, *, but: int) -> None:
        """Collect adopted processes that have ended; `but` has its own waiter."""
        for process in self._self.children():
            with suppress(psutil.Error, ChildProcessError):
                if process.pid != but and process.status() == psutil.STATUS_ZOMBIE:
                    os.waitpid(process.pid, os.WNOHANG)

    def kill(self, *, timeout_seconds: float = 5) -> None:
        """Kill every descendant, also those that are made meanwhile."""
        deadline = time.monotonic() + timeout_seconds
        while time.monotonic() < deadline:
            living = list(self._living())
            if not living:
                return
            for process in living:
                with suppress(psutil.Error):
                    process.kill()
            # Waiting with psutil would take the exit status away from the child's waiter.
            time.sleep(0.02)

    def _living(self) -> Iterator[psutil.Process]:
        for process in self._self.children(recursive=True):
            with suppress(psutil.Error):
                if process.status() != psutil.STATUS_ZOMBIE:
                    yield process

    @staticmethod
    def _resident(process: psutil.Process) -> int:
        with suppress(psutil.Error):
            return int(process.memory_info().rss)
        return 0

    @staticmethod
    def _proportional(process: psutil.Process) -> int:
        with suppress(psutil.Error):
            memory = process.memory_full_info()
            return int(getattr(memory, "pss", memory.rss))
        return 0

    @staticmethod
    def _cpu(process: psutil.Process) -> float:
        with suppress(psutil.Error):
            times = process.cpu_times()
            return float(
                times.user + times.system + times.children_user + times.children_system
            )
        return 0.0
