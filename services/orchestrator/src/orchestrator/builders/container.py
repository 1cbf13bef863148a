"""The container of one start of one replica, as Docker's API is asked for it."""

import math
from collections.abc import Mapping
from typing import Any

from kafkaml.schemas.deployments import cpu_cores, memory_bytes
from kafkaml.schemas.workloads import Workload, WorkloadKind
from orchestrator.builders.image_contract import (
    ADVERTISED_HOST_VARIABLE,
    IMAGE_USER,
    TEMPORARY_DIRECTORY,
    image_of,
    variables_of,
)
from orchestrator.builders.labels import MANAGED, WORKLOAD, labels_of
from orchestrator.config import Settings
from orchestrator.executors.base import Run

SCOPE = "kafka-ml/scope"
REPLICA = "kafka-ml/replica"
STARTS = "kafka-ml/starts"
RESTARTS = "kafka-ml/restarts"

LOG_FILE_BYTES = 5 * 2**20
LOG_FILES = 2

# The kernel's limit counts one process only: it ends a model that computes for ever. What
# ends a training in time is the trainer's own deadline.
_CPU_MARGIN_SECONDS = 5
_MOST_PROCESSES = 4096
_LEAST_NANO_CPUS = 10_000_000


class ContainerBuilder:
    """Builds what `POST /containers/create` takes.

    The root cannot be written, there are no privileges to gain, and nothing restarts it
    but the orchestrator. Files in the folder /tmp count as memory.
    """

    def __init__(self, *, settings: Settings) -> None:
        self._settings = settings

    def name(self, run: Run) -> str:
        """Return the name: who wants the same start of the same replica, wants the same."""
        return f"{self._settings.docker_network}.{run.name}.{run.replica}.{run.starts}"

    def scope(self) -> dict[str, str]:
        """Return the labels by which the containers of this installation are found."""
        return MANAGED | {SCOPE: self._settings.docker_network}

    def slot(self, name: str, replica: int) -> dict[str, str]:
        """Return the labels by which all containers of one replica are found."""
        return self.scope() | {WORKLOAD: name, REPLICA: str(replica)}

    def build(
        self,
        workload: Workload,
        environment: Mapping[str, str],
        *,
        run: Run,
        restarts: int,
    ) -> dict[str, Any]:
        """Return the container of a run, which is the `restarts`-th restart in a row."""
        room = self._temporary_bytes(workload)
        variables = {**environment, **variables_of(workload, temporary_bytes=room)}
        if workload.kind is WorkloadKind.INFERENCE:
            variables[ADVERTISED_HOST_VARIABLE] = self.name(run)
        return {
            "Image": image_of(self._settings, workload),
            "User": f"{IMAGE_USER}:{IMAGE_USER}",
            "Env": [f"{name}={variables[name]}" for name in sorted(variables)],
            "Labels": labels_of(workload)
            | self.slot(run.name, run.replica)
            | {STARTS: str(run.starts), RESTARTS: str(restarts)},
            "StopSignal": "SIGTERM",
            "StopTimeout": math.ceil(self._settings.stop_grace.total_seconds()),
            "HostConfig": self._host(workload),
        }

    def _temporary_bytes(self, workload: Workload) -> int:
        """Return what files may take: as they count as memory, no more than half of it."""
        half = memory_bytes(workload.resources.memory) // 2
        return min(self._settings.docker_temporary_bytes, half)

    def _host(self, workload: Workload) -> dict[str, Any]:
        return {
            "NetworkMode": self._settings.docker_network,
            "RestartPolicy": {"Name": "no"},
            # An init process would show its environment, with the token, to the code of a
            # model. The trainer hides its own.
            "Init": False,
            **self._limits(workload),
            **self._confinement(),
            "LogConfig": {
                "Type": "json-file",
                "Config": {"max-size": str(LOG_FILE_BYTES), "max-file": str(LOG_FILES)},
            },
        }

    def _confinement(self) -> dict[str, Any]:
        size = self._settings.docker_temporary_bytes
        return {
            "CapDrop": ["ALL"],
            "SecurityOpt": ["no-new-privileges"],
            "ReadonlyRootfs": True,
            "Tmpfs": {TEMPORARY_DIRECTORY: f"rw,noexec,nosuid,nodev,mode=1777,size={size}"},
        }

    @staticmethod
    def _limits(workload: Workload) -> dict[str, Any]:
        resources = workload.resources
        memory = memory_bytes(resources.memory)
        limits: dict[str, Any] = {
            "Memory": memory,
            "MemorySwap": memory,  # memory and swap together: there is no swap
            "NanoCpus": max(_LEAST_NANO_CPUS, round(cpu_cores(resources.cpu) * 10**9)),
            "PidsLimit": _MOST_PROCESSES,
            "Ulimits": _ulimits(workload),
        }
        if resources.gpu > 0:
            limits["DeviceRequests"] = [{"Count": resources.gpu, "Capabilities": [["gpu"]]}]
        return limits


def _ulimits(workload: Workload) -> list[dict[str, Any]]:
    limits = [{"Name": "core", "Soft": 0, "Hard": 0}]
    if workload.cpu_seconds is not None:
        hard = workload.cpu_seconds + _CPU_MARGIN_SECONDS
        limits.append({"Name": "cpu", "Soft": workload.cpu_seconds, "Hard": hard})
    return limits
