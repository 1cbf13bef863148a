"""Workloads: what the orchestrator is to run, and what it saw."""

from enum import StrEnum
from typing import Annotated
from uuid import UUID

from pydantic import Field

from kafkaml.schemas.base import Id, Message, Request, Resource, TopicName
from kafkaml.schemas.deployments import Resources


class WorkloadKind(StrEnum):
    """What a workload is for."""

    CHECK = "check"
    TRAINING = "training"
    INFERENCE = "inference"


class WantedTopic(Resource):
    """A topic that a workload needs, with at least this many partitions."""

    name: TopicName
    partitions: int
    cluster: str | None = Field(
        default=None,
        description="null: the platform's own; on another one it must be there already",
    )


class Workload(Resource):
    """One attempt that ought to run, with everything needed to start it but its token.

    `id` is that of the model version, the training or the inference.
    """

    name: str = Field(
        description="`kafkaml-<kind>-<id>-<attempt>`; the same attempt has the same name"
    )
    platform: UUID = Field(
        description="the database that wants it; what another one started is foreign"
    )
    kind: WorkloadKind
    id: Id
    attempt: int
    replicas: int
    resources: Resources
    cpu_seconds: int | None = Field(
        default=None, description="CPU time that one replica may use; null: no limit"
    )
    topics: list[WantedTopic] = Field(default_factory=list)


class WorkloadList(Resource):
    """Every workload that ought to run now."""

    items: list[Workload]


class WorkloadToken(Resource):
    """A token of one attempt; it dies with the attempt."""

    token: str


class Phase(StrEnum):
    """What an executor sees of one replica.

    A pending one waits for something that may come; a blocked one for something that won't.
    """

    PENDING = "pending"
    RUNNING = "running"
    EXITED = "exited"
    BLOCKED = "blocked"


class Observation(Request):
    """What the orchestrator saw of one replica of a workload."""

    replica: int = Field(default=0, ge=0)
    phase: Annotated[Phase, Field(strict=False)]
    exit_code: int | None = Field(
        default=None, description="null if it ended without leaving one"
    )
    reason: str | None = Field(
        default=None,
        max_length=40,
        description="`oom`, `deadline`, `image`, `unschedulable`, … where it is known",
    )
    message: Message = Field(default="", description="for people; why it is not running")
    ready_replicas: int | None = Field(
        default=None,
        ge=0,
        le=10_000,
        description="how many replicas of an inference answer, from an executor that keeps "
        "their number by itself",
    )
