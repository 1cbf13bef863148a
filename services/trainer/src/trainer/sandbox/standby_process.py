"""The process that is forked for a model's code, and sees to its end.

It waits beside a trainer, without a thread and without a secret. It may be a fork of one
that has imported TensorFlow already; started by itself, it leaves that to its child, unless
it is told to be ahead.
"""

import os
import resource
import select
import signal
import socket
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

from trainer.child import run_child
from trainer.preload import preload
from trainer.sandbox.protection import (
    adopt_orphans,
    die_with_parent,
    hide_process,
    show_process,
)
from trainer.sandbox.standby import MAX_PACKET_BYTES, PRELOAD, Spawn

FILES = 3
KILL_SECONDS = 5.0
_CHILDREN = Path("/proc/thread-self/children")


def serve(line: socket.socket) -> None:
    """Fork a child for each packet until the line is cut."""
    hide_process()
    adopt_orphans()
    while True:
        packet, files, _, _ = socket.recv_fds(line, MAX_PACKET_BYTES, FILES)
        if not packet:
            return
        if len(files) == FILES:  # else it comes late, and is for a child that has ended
            _serve_child(line, Spawn.from_packet(packet), files)


def _serve_child(line: socket.socket, spawn: Spawn, files: list[int]) -> None:
    process = os.fork()
    if process == 0:
        _become_child(spawn, files)
    for each in files:
        os.close(each)
    try:
        line.send(str(process).encode())
        watched = os.pidfd_open(process)
        select.select([watched, line.fileno()], [], [])
        os.close(watched)
    finally:
        code = _end(process)
    with suppress(BrokenPipeError):
        line.send(str(code).encode())


def _end(process: int) -> int:
    """End a child and all that descends from it; return how it ended."""
    # It is not yet collected, so that its number is still that of its group.
    with suppress(ProcessLookupError):
        os.killpg(process, signal.SIGKILL)
    with suppress(ProcessLookupError):  # it may not lead a group yet
        os.kill(process, signal.SIGKILL)
    _, status = os.waitpid(process, 0)
    deadline = time.monotonic() + KILL_SECONDS
    # Each that dies leaves its own children to this process.
    while (orphans := _CHILDREN.read_text().split()) and time.monotonic() < deadline:
        for each in orphans:
            os.kill(int(each), signal.SIGKILL)
            os.waitpid(int(each), 0)
    return os.waitstatus_to_exitcode(status)


def _become_child(spawn: Spawn, files: list[int]) -> NoReturn:
    """Be a process with nothing but what it was given."""
    try:
        die_with_parent()
        os.setsid()
        show_process()
        for kind, (soft, hard) in spawn.limits.items():
            resource.setrlimit(int(kind), (soft, hard))
        commands, reports, log = files
        for number, file in enumerate((commands, log, log)):
            os.dup2(file, number)
        os.closerange(3, reports)
        os.closerange(reports + 1, os.sysconf("SC_OPEN_MAX"))
        os.chdir(spawn.directory)
        os.environ.update(spawn.environment)
        tempfile.tempdir = None
        run_child(reports)
    finally:
        os._exit(1)


def main() -> None:
    """Serve at an open file, whose number is the first argument."""
    if PRELOAD in sys.argv[2:]:
        preload()
    serve(socket.socket(fileno=int(sys.argv[1])))


if __name__ == "__main__":
    main()
