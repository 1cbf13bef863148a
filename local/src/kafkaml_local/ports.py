"""TCP ports of this machine."""

import socket
from collections.abc import Collection

from kafkaml_local.exceptions import PortError

LOCALHOST = "127.0.0.1"


def is_free(port: int) -> bool:
    """Say whether nobody listens on the port of 127.0.0.1."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((LOCALHOST, port))
        except OSError:
            return False
    return True


def free_port(*, usual: int | None = None, taken: Collection[int] = ()) -> int:
    """Return the usual port if it is free, else one that the system chooses.

    `taken` are ports that are promised to somebody who does not listen yet.
    """
    if usual is not None and usual not in taken and is_free(usual):
        return usual
    for _ in range(100):
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as listener:
            listener.bind((LOCALHOST, 0))
            port: int = listener.getsockname()[1]
        if port not in taken:
            return port
    raise PortError("no TCP port is free on 127.0.0.1")
