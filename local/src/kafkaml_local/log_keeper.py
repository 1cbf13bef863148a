"""Keeps the logs of all parts small. Run as `python -m kafkaml_local.log_keeper <folder>`.

The parts write to their logs themselves, so they go on without this process. They append,
so they continue at the new end of a log that was cut. Standard library only.
"""

import contextlib
import os
import shutil
import signal
import sys
import threading
from pathlib import Path

MAX_LOG_BYTES = 5 * 1024 * 1024
LOOK_SECONDS = 5.0


def cut_log(log: Path, *, max_bytes: int = MAX_LOG_BYTES) -> None:
    """Move the newest part of a full log to `log.old.txt`, and empty the log."""
    if not log.exists() or log.stat().st_size <= max_bytes:
        return
    older = log.with_name("log.old.txt")
    unfinished = log.with_name("log.old.txt.unfinished")
    with log.open("rb+") as source:
        source.seek(-max_bytes, os.SEEK_END)
        with unfinished.open("wb") as copy:
            shutil.copyfileobj(source, copy)
        unfinished.replace(older)
        source.truncate(0)


def main() -> None:
    """Look after `<folder>/*/log.txt` until told to end."""
    folder = Path(sys.argv[1])
    stopped = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())
    while not stopped.wait(LOOK_SECONDS):
        for log in folder.glob("*/log.txt"):
            with contextlib.suppress(OSError):  # a full disk: the next look tries again
                cut_log(log)


if __name__ == "__main__":
    main()
