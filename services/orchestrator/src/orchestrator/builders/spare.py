"""A trainer's container that waits for an attempt, with TensorFlow loaded."""

import json
import math
from collections.abc import Mapping
from typing import Any
from uuid import UUID, uuid4

from kafkaml.schemas.deployments import memory_bytes
from kafkaml.schemas.workloads import Workload, WorkloadKind
from orchestrator.builders.container import (
    NO_CORE_FILES,
    ContainerBuilder,
    changeable_limits,
    cpu_seconds_of,
    memory_limits,
)
from orchestrator.builders.image_contract import HOMES
from orchestrator.builders.labels import PLATFORM
from orchestrator.config import Settings

SPARE = "kafka-ml/spare"

# A third of it is in use. An attempt may have no less, for the engine takes none away.
MEMORY_BYTES = 2**30
# It gives way to whatever else wants to run.
_LEAST_CPU_SHARES = 2


class SpareBuilder:
    """Builds spares, and what makes an attempt of one.

    A spare knows nothing that an attempt does not know: no token, no address. Its name says
    what it is: it has no run in it until the spare is given one.
    """

    def __init__(self, *, settings: Settings) -> None:
        self._settings = settings
        self._containers = ContainerBuilder(settings=settings)

    def suits(self, workload: Workload) -> bool:
        """Tell whether an attempt can be made of a spare, and is the same then."""
        return (
            workload.kind is not WorkloadKind.INFERENCE
            and workload.resources.gpu == 0
            and memory_bytes(workload.resources.memory) >= MEMORY_BYTES
        )

    @property
    def image(self) -> str:
        return self._settings.trainer_image

    def name(self) -> str:
        """Return a name that nobody else has."""
        return f"{self._settings.docker_network}.spare.{uuid4().hex}"

    def build(self, platform: UUID) -> dict[str, Any]:
        """Return the container of a spare for attempts that this database wants."""
        labels = self._containers.scope() | {SPARE: "", PLATFORM: str(platform)}
        limits = memory_limits(MEMORY_BYTES) | {
            "CpuShares": _LEAST_CPU_SHARES,
            "Ulimits": [NO_CORE_FILES],
        }
        idle = math.ceil(self._settings.warm_idle.total_seconds())
        return self._containers.confined(self.image, HOMES, labels, limits) | {
            "Cmd": ["--spare", str(idle)],
            # It ends when the one who holds the input is gone.
            "AttachStdin": True,
            "OpenStdin": True,
            "StdinOnce": True,
        }

    def limits(self, workload: Workload) -> dict[str, Any]:
        """Return what `POST /containers/{id}/update` takes to limit it as the attempt."""
        return changeable_limits(workload)

    def order(self, workload: Workload, environment: Mapping[str, str]) -> bytes:
        """Return the line that makes a spare the attempt."""
        order = {
            "environment": self._containers.variables(workload, environment),
            "cpu_seconds": cpu_seconds_of(workload),
        }
        return json.dumps(order).encode() + b"\n"
