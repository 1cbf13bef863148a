"""Ending what runs in the folder of a replica, with or without its runner."""

import os
import signal
import time
from contextlib import suppress
from datetime import timedelta

import psutil

from orchestrator.executors.replica_directory import ReplicaDirectory

# A runner kills its child when the grace is over; one that has not by then hangs itself.
_HUNG_RUNNER_MARGIN = timedelta(seconds=15)


def request_end(directory: ReplicaDirectory, grace: timedelta) -> None:
    """Ask a running replica to end; called again after `grace`, kill it.

    A living runner does all that by itself. The child that a killed runner left behind is
    handled from here.
    """
    age = _age_of_request(directory)
    runner = directory.identity("run")
    if runner is not None and age < grace + _HUNG_RUNNER_MARGIN:
        if runner.send(signal.SIGTERM):
            return
        _send_to_child(directory, signal.SIGTERM if age < grace else signal.SIGKILL)
    elif runner is not None:
        end_at_once(directory)
        runner.send(signal.SIGKILL)


def end_at_once(directory: ReplicaDirectory) -> None:
    """Kill the child of a running replica; a living runner records that."""
    _send_to_child(directory, signal.SIGKILL)


def _send_to_child(directory: ReplicaDirectory, number: signal.Signals) -> None:
    child = directory.identity("child")
    if child is not None and not child.send_to_group(number):
        _send_to_holders(directory, number)


def _send_to_holders(directory: ReplicaDirectory, number: signal.Signals) -> None:
    """Signal who holds the lock although runner and child are gone: forks of the child."""
    runner = directory.identity("run")
    spared = {os.getpid()} | ({runner.pid} if runner else set())
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            opened = {file.path for file in process.open_files()}
            if process.pid not in spared and str(directory.lock) in opened:
                process.send_signal(number)


def _age_of_request(directory: ReplicaDirectory) -> timedelta:
    """Return how long ago somebody first asked; the first to ask notes the time."""
    request = directory.read("stop")
    if request is None:
        # Since the machine came up, and so the same for all processes on it.
        request = {"asked_at_monotonic": time.monotonic()}
        directory.write("stop", request)
    return timedelta(seconds=time.monotonic() - request["asked_at_monotonic"])
