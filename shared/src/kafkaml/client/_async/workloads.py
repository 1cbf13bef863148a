"""Workloads: for the orchestrator."""

from kafkaml.client._async._session import AsyncSession
from kafkaml.client._calls import place
from kafkaml.schemas.workloads import Observation, Workload, WorkloadList, WorkloadToken


class AsyncWorkloads:
    """What ought to run, and what was seen of it (scope orchestrator).

    A name that is unknown or no longer current raises ProblemError `workload-not-current`.
    """

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def wanted(self) -> list[Workload]:
        """Return every workload that ought to run now."""
        return (await self._session.get(place("workloads"), WorkloadList)).items

    async def token(self, name: str) -> str:
        """Mint a token for a workload that is about to be started."""
        path = place("workloads", name, "token")
        return (await self._session.act(path, WorkloadToken)).token

    async def observe(self, name: str, observation: Observation) -> None:
        """Tell what was seen of a replica."""
        path = place("workloads", name, "observations")
        await self._session.report(path, observation)

    async def put_logs(self, name: str, replica: int, text: bytes) -> None:
        """Replace the log of a replica: UTF-8, at most 1 MiB."""
        await self._session.put_text(place("workloads", name, "logs", replica), text)
