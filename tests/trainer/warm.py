"""A process with TensorFlow imported, to be forked for the models of many tests."""

import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from trainer.sandbox.standby import Standby

Place = tuple[Standby, psutil.Process]

START_SECONDS = 300.0  # on a machine that is very busy

IMPORTED = """\
import socket, sys
from trainer.preload import import_all
from trainer.sandbox import standby_process
import_all()
line = socket.socket(fileno=int(sys.argv[1]))
line.send(b"0")
standby_process.serve(line)
"""


@contextmanager
def warm_standby(log: Path) -> Iterator[Place]:
    """Yield a standby with TensorFlow imported, and its process."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs, log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-I", "-u", "-c", IMPORTED, str(theirs.fileno())],
            pass_fds=[theirs.fileno()],
            stdout=output,
            stderr=output,
        )
    standby = Standby(ours, process=process)
    try:
        assert standby.receive(START_SECONDS) == 0, log.read_text()
        yield standby, psutil.Process(process.pid)
    finally:
        standby.close()
