"""A port-forward that comes back: those of kubectl end with the pod that they lead to."""

import contextlib
import socket
import subprocess
import threading
from datetime import timedelta

from kafkaml_local.ports import LOCALHOST, free_port
from tests.support.waiting import eventually

from .kubectl import KUBECTL, PLATFORM

PAUSE_SECONDS = 0.2


class Forward:
    """Leads a port of this machine to one of a Service, until it is closed."""

    def __init__(self, *, service: str, port: int) -> None:
        self.port = free_port()
        self._command = [
            *(KUBECTL, "--namespace", PLATFORM, "port-forward", "--address", LOCALHOST),
            *(f"service/{service}", f"{self.port}:{port}"),
        ]
        self._closed = threading.Event()
        self._process: subprocess.Popen[bytes] | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)

    def open(self) -> None:
        """Begin, and return when the port takes connections."""
        self._thread.start()
        eventually(self._connects, timedelta(seconds=60))

    def close(self) -> None:
        self._closed.set()
        if self._process is not None:
            self._process.terminate()
        if self._thread.is_alive():
            self._thread.join(timeout=10)

    def _run(self) -> None:
        while not self._closed.is_set():
            with subprocess.Popen(
                self._command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            ) as self._process:
                # One that was closed between the look above and its start.
                if self._closed.is_set():
                    self._process.terminate()
            self._closed.wait(PAUSE_SECONDS)

    def _connects(self) -> bool | None:
        with contextlib.suppress(OSError), socket.create_connection((LOCALHOST, self.port)):
            return True
        return None
