"""A trainer that has begun before there is an attempt for it.

It has TensorFlow imported by the standby below it, and all else by itself. Its order comes
by standard input, as one line of JSON: the variables of the attempt, which are in no
argument and no setting of a container. Whoever holds that input open holds the spare: if it
is closed before the order is complete, this process ends, and has never been an attempt.
"""

import json
import os
import resource
import select
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from kafkaml.schemas.states import ExitCode
from trainer.sandbox.standby import Standby

READ_BYTES = 64 * 2**10
MAX_ORDER_BYTES = 2**20


@dataclass(frozen=True, slots=True)
class SpareOrder:
    """What makes an attempt of a spare; `cpu_seconds` are those of each of its processes.

    They are a soft and a hard limit, or None.
    """

    environment: Mapping[str, str]
    cpu_seconds: tuple[int, int] | None

    @classmethod
    def from_line(cls, line: bytes) -> Self:
        """Raise ValueError if it is no order."""
        fields = json.loads(line)
        try:
            limits = fields["cpu_seconds"]
            environment = {str(name): str(it) for name, it in fields["environment"].items()}
            return cls(environment, None if limits is None else (limits[0], limits[1]))
        except (AttributeError, LookupError, TypeError) as e:
            raise ValueError("the order is not as documented") from e

    def take_effect(self) -> None:
        """Let this process be what it would be if it had been started for the attempt."""
        os.environ.update(self.environment)
        if self.cpu_seconds is not None:
            resource.setrlimit(resource.RLIMIT_CPU, self.cpu_seconds)


def wait_for_order(seconds: float) -> Standby:
    """Return what is ready once there is an order; end without one after so long."""
    environment = {
        name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ
    }
    standby = Standby.start(environment, preload=True)
    try:
        SpareOrder.from_line(_read_line(seconds)).take_effect()
    except (OSError, ValueError):
        sys.exit(ExitCode.NO_ORDER)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    return standby


def _read_line(seconds: float) -> bytes:
    """Return the first line of standard input; raise ValueError if there is none."""
    deadline = time.monotonic() + seconds
    content = bytearray()
    while len(content) < MAX_ORDER_BYTES:
        patience = max(0.0, deadline - time.monotonic())
        if not select.select([0], [], [], patience)[0]:
            break
        piece = os.read(0, READ_BYTES)
        content += piece
        if b"\n" in piece:
            return bytes(content.partition(b"\n")[0])
        if not piece:
            break
    raise ValueError("there is no order")
