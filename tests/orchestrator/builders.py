"""Workloads for tests."""

from uuid import UUID

from kafkaml.schemas.deployments import Resources
from kafkaml.schemas.workloads import WantedTopic, Workload, WorkloadKind

PLATFORM = UUID("8f14e45f-ceea-467f-a8d4-4fb1d2a2c001")


def workload(
    kind: WorkloadKind = WorkloadKind.TRAINING,
    number: int = 1,
    *,
    attempt: int = 1,
    replicas: int = 1,
    memory: str = "1Gi",
    cpu_seconds: int | None = None,
    topics: list[WantedTopic] | None = None,
) -> Workload:
    return Workload(
        name=f"kafkaml-{kind}-{number}-{attempt}",
        platform=PLATFORM,
        kind=kind,
        id=number,
        attempt=attempt,
        replicas=replicas,
        resources=Resources(memory=memory),
        cpu_seconds=cpu_seconds,
        topics=topics or [],
    )
