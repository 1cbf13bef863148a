"""Where the process of an image begins.

What a workload imports takes seconds, and until a process has a handler for SIGTERM the
system keeps that signal from the first process of a container: who stopped it would wait
until the time to end in peace is over.
"""

import signal
import sys
from importlib import import_module
from types import FrameType

STOPPED = 128 + signal.SIGTERM


def run(module: str) -> None:
    """Import a module and run its `main`; SIGTERM ends the process from now on."""
    signal.signal(signal.SIGTERM, _end)
    import_module(module).main()


def _end(_number: int, _frame: FrameType | None) -> None:
    sys.exit(STOPPED)
