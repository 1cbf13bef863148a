"""What the operating system is asked for, so that a model's code stays where it belongs."""

import ctypes
import resource
import signal
import sys

PR_SET_PDEATHSIG = 1
PR_SET_DUMPABLE = 4
PR_SET_CHILD_SUBREAPER = 36

MAX_FILE_BYTES = 32 * 2**30
MAX_PROCESSES = 8192


def hide_process() -> None:
    """Keep other processes of the same user from reading this one's environment."""
    _prctl(PR_SET_DUMPABLE, 0)


def show_process() -> None:
    """Undo `hide_process`, which a fork takes over."""
    _prctl(PR_SET_DUMPABLE, 1)


def adopt_orphans() -> None:
    """Become the parent of descendants whose parent dies, so that none gets away."""
    _prctl(PR_SET_CHILD_SUBREAPER, 1)


def die_with_parent() -> None:
    """Be killed when the parent ends, however it ends."""
    _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def limit_process(*, memory_bytes: int | None) -> None:
    """Limit what this process and its children may use; None sets no limit on memory."""
    _limit(resource.RLIMIT_CORE, 0)
    _limit(resource.RLIMIT_FSIZE, MAX_FILE_BYTES)
    _limit(resource.RLIMIT_NPROC, MAX_PROCESSES)
    if memory_bytes is not None:
        _limit(resource.RLIMIT_DATA, memory_bytes)


def _limit(kind: int, value: int) -> None:
    _, hard = resource.getrlimit(kind)
    lower = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(kind, (lower, lower))


def _prctl(option: int, value: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0)
