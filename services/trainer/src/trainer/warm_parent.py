"""A process that imports TensorFlow once, and is forked for each attempt.

Its standard input is a socket to the orchestrator, and it ends with that. For each `Start`
it forks twice, so that nothing that it knows can reach a model's code, and nothing of an
attempt can reach another one:

    orchestrator ── warm parent (TensorFlow imported, no thread, no secret)
                        └─ runner of the attempt (another program takes this process over)
                             ├─ standby (a fork of the warm parent; see `standby_process`)
                             │    └─ the model's process (a fork of the standby)
                             └─ trainer (has the secrets, and the line to the standby)
"""

import json
import os
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NoReturn

from trainer.preload import preload
from trainer.sandbox import standby_process
from trainer.sandbox.protection import hide_process
from trainer.sandbox.standby import MAX_PACKET_BYTES

READY = b"ready"
FILES = 3
FAILED = 127


@dataclass(frozen=True, slots=True)
class Start:
    """A program to be started with a standby below it."""

    command: list[str]
    environment: dict[str, str]
    directory: str


def main() -> None:
    """Serve until the orchestrator is gone."""
    hide_process()
    os.umask(0o077)
    orchestrator = socket.socket(fileno=os.dup(0))
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    os.dup2(nothing, 1)
    os.close(nothing)
    preload()
    orchestrator.send(READY)
    serve(orchestrator)


def serve(orchestrator: socket.socket) -> None:
    """Start what is asked for; answer with the numbers that its files have there."""
    while True:
        packet, files, _, _ = socket.recv_fds(orchestrator, MAX_PACKET_BYTES, FILES)
        if not packet:
            return
        order, lock, log = files
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        numbers = {"lock": lock, "standby": theirs.fileno()}
        process = os.fork()
        if process == 0:
            orchestrator.close()
            _start(Start(**json.loads(packet)), ours, theirs, files)
        os.waitpid(process, 0)
        for each in (order, lock, log):
            os.close(each)
        ours.close()
        theirs.close()
        orchestrator.send(json.dumps(numbers).encode())


def _start(
    start: Start, ours: socket.socket, theirs: socket.socket, files: Sequence[int]
) -> NoReturn:
    """Leave the parent, fork the standby, and become the program."""
    try:
        os.setsid()
        if os.fork():
            os._exit(0)
        order, lock, log = files
        os.dup2(log, 2)
        if os.fork() == 0:
            for each in (order, lock, log, theirs.fileno()):
                os.close(each)
            os.setsid()
            standby_process.serve(ours)
            os._exit(0)
        ours.close()
        os.dup2(order, 0)
        os.set_inheritable(lock, True)
        os.set_inheritable(theirs.fileno(), True)
        os.chdir(start.directory)
        os.execve(start.command[0], start.command, start.environment)  # noqa: S606
    except BaseException as e:  # noqa: BLE001  # nothing of the parent may go on here
        os.write(2, f"{start.command[0]} cannot be started: {e}\n".encode())
        os._exit(FAILED)


if __name__ == "__main__":
    main()
