"""The part of the HTTP API that the orchestrator uses."""

from collections.abc import Sequence
from typing import Protocol

from kafkaml.exceptions import ClientError, ProblemError
from kafkaml.schemas.workloads import Observation, Workload

NOT_CURRENT = "workload-not-current"


class WorkloadsApi(Protocol):
    """What ought to run, and where to say what was seen.

    Each call raises `ApiUnavailableError` if there is no answer, and `ProblemError` with
    the code `workload-not-current` if the name is unknown or its attempt is over.
    """

    async def wanted(self) -> Sequence[Workload]:
        """Return every workload that ought to run now."""
        ...

    async def token(self, name: str) -> str:
        """Return a new token of the workload's attempt."""
        ...

    async def observe(self, name: str, observation: Observation) -> None:
        """Say what was seen of one replica; saying it again does no harm."""
        ...

    async def put_logs(self, name: str, replica: int, content: bytes) -> None:
        """Replace the stored log of one replica; at most 1 MiB of UTF-8."""
        ...


def is_not_current(error: ClientError) -> bool:
    """Tell whether the API refused because the workload's attempt is over."""
    return isinstance(error, ProblemError) and error.problem.code == NOT_CURRENT
