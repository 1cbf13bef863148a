"""Attempts: for trainers and inferencers."""

from datetime import timedelta
from pathlib import Path
from typing import BinaryIO

from kafkaml.client._async._session import AsyncSession
from kafkaml.client._calls import place
from kafkaml.client._deadlines import Duration
from kafkaml.schemas.attempts import (
    CheckReport,
    EpochReport,
    FailureReport,
    Order,
    PauseReport,
    ProgressReport,
    ResultReport,
)
from kafkaml.schemas.incremental import ImprovementReport
from kafkaml.schemas.predictions import AddressReport
from kafkaml.schemas.served_models import RefusalReport
from kafkaml.schemas.statistics import StatisticsReport
from kafkaml.schemas.trainings import Artifact, ArtifactFormat


class AsyncAttempts:
    """The attempt that the client's token stands for.

    Every report may be sent twice. Each method raises ProblemError `attempt-over` once the
    attempt is stopped, failed or replaced by a later one.
    """

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def order(self) -> Order:
        """Return what is to be done."""
        return await self._session.get(_place(), Order)

    async def progress(self, report: ProgressReport) -> None:
        """Tell that the attempt waits for its stream, trains or serves."""
        await self._session.report(_place("progress"), report)

    async def address(self, report: AddressReport) -> None:
        """Tell where a replica of an inference is asked over HTTP, every 15 s."""
        await self._session.report(_place("address"), report)

    async def statistics(self, report: StatisticsReport) -> None:
        """Tell what a replica counts, in place of what it told before."""
        await self._session.report(_place("statistics"), report)

    async def pause(self, report: PauseReport) -> None:
        """Tell that a replica takes no records until the inference is resumed."""
        await self._session.report(_place("pause"), report)

    async def epoch(self, report: EpochReport) -> None:
        """Tell the metrics after one epoch."""
        await self._session.report(_place("epochs"), report)

    async def upload_artifact(self, source: Path | str | BinaryIO) -> Artifact:
        """Upload the trained model, a `.keras` file, as a stream."""
        file = Path(source) if isinstance(source, str) else source
        return await self._session.upload(_place("artifact"), file, Artifact)

    async def improvement(self, report: ImprovementReport) -> None:
        """Publish a model while the training goes on; its artifact was uploaded before."""
        await self._session.report(_place("improvements"), report)

    async def upload_export(
        self,
        path: Path | str,
        format: ArtifactFormat,  # noqa: A002  the API's word
    ) -> Artifact:
        """Upload the trained model in another format."""
        place = _place("artifacts", format)
        return await self._session.upload(place, Path(path), Artifact)

    async def download_artifact(
        self,
        path: Path | str,
        format: ArtifactFormat = ArtifactFormat.KERAS,  # noqa: A002  the API's word
        *,
        sha256: str | None = None,
    ) -> Path:
        """Write a model that the inference serves to a file of this name.

        It is the primary one, unless `sha256` is the digest of another. The file appears
        only when it is complete and has the digest that the API announced, else ClientError
        is raised.
        """
        query = {"format": format, "sha256": sha256}
        return await self._session.download(_place("artifact"), Path(path), query)

    async def upload_checkpoint(
        self, file: BinaryIO, *, retry_for: Duration = timedelta(0)
    ) -> Artifact:
        """Upload how far the training is, in place of the checkpoint before.

        The file is read from its beginning, for each try anew.
        """
        return await self._session.upload(
            _place("checkpoint"), file, Artifact, retry_for=retry_for
        )

    async def download_checkpoint(self, path: Path | str) -> Path:
        """Write the checkpoint that the order names to a file of this name."""
        return await self._session.download(_place("checkpoint"), Path(path))

    async def result(self, report: ResultReport) -> None:
        """Hand in the result of a training; its artifact was uploaded before."""
        await self._session.report(_place("result"), report)

    async def check(self, report: CheckReport) -> None:
        """Hand in the outcome of a check."""
        await self._session.report(_place("check"), report)

    async def refusal(self, report: RefusalReport) -> None:
        """Tell why a replica goes on with other models than it is to have."""
        await self._session.report(_place("refusal"), report)

    async def failure(self, report: FailureReport) -> None:
        """Give up, and tell why."""
        await self._session.report(_place("failure"), report)


def _place(*segments: str) -> str:
    return place("attempts", "current", *segments)
