"""The container of one start of one replica, as Docker's API is asked for it."""

import math
import re
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
# Of checks and trainings, whether their container was a spare before or not. With cgroup v1
# it is what the others have; with v2 it may be less, and they give way to who serves.
CPU_SHARES = 1024
NO_CORE_FILES = {"Name": "core", "Soft": 0, "Hard": 0}

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
        return f"{self._slot_name(run.name, run.replica)}{run.starts}"

    def slot_pattern(self, name: str, replica: int) -> str:
        """Return what matches the names of all containers of one replica."""
        return f"^/?{re.escape(self._slot_name(name, replica))}[0-9]+$"

    def scope(self) -> dict[str, str]:
        """Return the labels by which the containers of this installation are found."""
        return MANAGED | {SCOPE: self._settings.docker_network}

    def build(
        self,
        workload: Workload,
        environment: Mapping[str, str],
        *,
        run: Run,
        restarts: int,
    ) -> dict[str, Any]:
        """Return the container of a run, which is the `restarts`-th restart in a row."""
        variables = self.variables(workload, environment)
        if workload.kind is WorkloadKind.INFERENCE:
            variables[ADVERTISED_HOST_VARIABLE] = self.name(run)
        return self.confined(
            image_of(self._settings, workload),
            variables,
            labels_of(workload) | self.scope() | _labels_of(run, restarts),
            _limits(workload),
        )

    def variables(
        self, workload: Workload, environment: Mapping[str, str]
    ) -> dict[str, str]:
        """Return all that a workload is told, by `environment` and by where it runs."""
        room = self._temporary_bytes(workload)
        return {**environment, **variables_of(workload, temporary_bytes=room)}

    def confined(
        self,
        image: str,
        variables: Mapping[str, str],
        labels: Mapping[str, str],
        limits: Mapping[str, Any],
    ) -> dict[str, Any]:
        """Return a container as all of them are: alone, unprivileged and on the network."""
        return {
            "Image": image,
            "User": f"{IMAGE_USER}:{IMAGE_USER}",
            "Env": [f"{name}={variables[name]}" for name in sorted(variables)],
            "Labels": dict(labels),
            "StopSignal": "SIGTERM",
            "StopTimeout": math.ceil(self._settings.stop_grace.total_seconds()),
            "HostConfig": self._host(limits),
        }

    def _slot_name(self, name: str, replica: int) -> str:
        return f"{self._settings.docker_network}.{name}.{replica}."

    def _temporary_bytes(self, workload: Workload) -> int:
        """Return what files may take: as they count as memory, no more than half of it."""
        half = memory_bytes(workload.resources.memory) // 2
        return min(self._settings.docker_temporary_bytes, half)

    def _host(self, limits: Mapping[str, Any]) -> dict[str, Any]:
        return {
            "NetworkMode": self._settings.docker_network,
            "RestartPolicy": {"Name": "no"},
            # An init process would show its environment, with the token, to the code of a
            # model. The trainer hides its own.
            "Init": False,
            "PidsLimit": _MOST_PROCESSES,
            **limits,
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


def memory_limits(size: int) -> dict[str, Any]:
    """Return the limits of so many bytes."""
    return {
        "Memory": size,
        "MemorySwap": size,  # memory and swap together: there is no swap
    }


def changeable_limits(workload: Workload) -> dict[str, Any]:
    """Return the limits of a workload that a container can be given while it runs."""
    resources = workload.resources
    limits = memory_limits(memory_bytes(resources.memory)) | {
        "NanoCpus": max(_LEAST_NANO_CPUS, round(cpu_cores(resources.cpu) * 10**9))
    }
    if workload.kind is not WorkloadKind.INFERENCE:
        limits["CpuShares"] = CPU_SHARES
    return limits


def cpu_seconds_of(workload: Workload) -> tuple[int, int] | None:
    """Return the soft and the hard limit of a process; None if there is none."""
    if workload.cpu_seconds is None:
        return None
    return workload.cpu_seconds, workload.cpu_seconds + _CPU_MARGIN_SECONDS


def run_of(name: str, scope: str) -> Run:
    """Return the run that a container's name says; raise ValueError if it says none."""
    if not name.startswith(f"{scope}."):
        raise ValueError(f"{name} is not a name of {scope}")
    workload, replica, starts = name[len(scope) + 1 :].split(".")
    return Run(workload, int(replica), int(starts))


def _labels_of(run: Run, restarts: int) -> dict[str, str]:
    return {
        WORKLOAD: run.name,
        REPLICA: str(run.replica),
        STARTS: str(run.starts),
        RESTARTS: str(restarts),
    }


def _limits(workload: Workload) -> dict[str, Any]:
    limits = changeable_limits(workload) | {"Ulimits": [NO_CORE_FILES]}
    if seconds := cpu_seconds_of(workload):
        soft, hard = seconds
        limits["Ulimits"].append({"Name": "cpu", "Soft": soft, "Hard": hard})
    if workload.resources.gpu > 0:
        limits["DeviceRequests"] = [
            {"Count": workload.resources.gpu, "Capabilities": [["gpu"]]}
        ]
    return limits
