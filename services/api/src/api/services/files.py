"""Artifacts, checkpoints and logs: bytes that go to and from the artifact store.

A transfer can take long, so that none is made while a transaction is open.
"""

from collections.abc import AsyncIterable, AsyncIterator
from dataclasses import dataclass

import structlog

from api.exceptions import ApiError, NotFinishedError
from api.services.attempts import AttemptService
from api.services.orders import found_artifact
from api.services.trainings import attempt_of
from api.services.workload_names import (
    AttemptReference,
    artifact_key,
    checkpoint_key,
    log_key,
)
from api.services.workloads import WorkloadService
from api.storage.artifacts import ArtifactStore
from api.storage.unit_of_work import UnitOfWork, UnitsOfWork
from kafkaml.schemas.attempts import ResultReport
from kafkaml.schemas.incremental import ImprovementReport
from kafkaml.schemas.trainings import Artifact, ArtifactFormat
from kafkaml.schemas.workloads import WorkloadKind

logger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Download:
    """An artifact or a checkpoint, and its bytes."""

    artifact: Artifact
    chunks: AsyncIterator[bytes]


class FileService:
    """Stores and returns artifacts, checkpoints and logs."""

    def __init__(
        self,
        *,
        units: UnitsOfWork,
        store: ArtifactStore,
        max_artifact_bytes: int,
        max_checkpoint_bytes: int,
        check_max_attempts: int,
    ) -> None:
        self._units = units
        self._store = store
        self._max_artifact_bytes = max_artifact_bytes
        self._max_checkpoint_bytes = max_checkpoint_bytes
        self._check_max_attempts = check_max_attempts

    async def upload_artifact(
        self,
        attempt: AttemptReference,
        chunks: AsyncIterable[bytes],
        *,
        sha256: str,
        artifact_format: ArtifactFormat = ArtifactFormat.KERAS,
    ) -> Artifact:
        """Store what an attempt has trained; it counts once the result is accepted."""
        async with self._units.begin() as work:
            await self._attempts(work, attempt).check_may_upload()
        size = await self._store.put(
            artifact_key(sha256),
            chunks,
            sha256=sha256,
            max_bytes=self._max_artifact_bytes,
        )
        async with self._units.begin() as work:
            return await self._attempts(work, attempt).note_upload(
                Artifact(format=artifact_format, size_bytes=size, sha256=sha256)
            )

    async def report_improvement(
        self, attempt: AttemptReference, report: ImprovementReport
    ) -> None:
        """Publish what an attempt has uploaded, in place of what it published before."""
        async with self._units.begin() as work:
            replaced = await self._attempts(work, attempt).report_improvement(report)
        if replaced is not None:
            await self._remove(artifact_key(replaced))

    async def report_result(self, attempt: AttemptReference, report: ResultReport) -> None:
        """Accept a result; its model takes the place of what was published before."""
        async with self._units.begin() as work:
            replaced = await self._attempts(work, attempt).report_result(report)
        if replaced is not None:
            await self._remove(artifact_key(replaced))

    async def download_artifact(self, training_id: int, wanted: ArtifactFormat) -> Download:
        """Return the artifact of a finished training, or what was kept of a failed one."""
        async with self._units.begin() as work:
            training = await work.trainings.get(training_id)
        if training.artifact is None:
            raise NotFinishedError(training_id, state=training.state)
        return await self._download(found_artifact(training, wanted))

    async def download_for(
        self,
        attempt: AttemptReference,
        wanted: ArtifactFormat,
        *,
        sha256: str | None = None,
    ) -> Download:
        """Return an artifact that an attempt of an inference serves."""
        async with self._units.begin() as work:
            artifact = await self._attempts(work, attempt).artifact(wanted, sha256=sha256)
        return await self._download(artifact)

    async def upload_checkpoint(
        self, attempt: AttemptReference, chunks: AsyncIterable[bytes], *, sha256: str
    ) -> Artifact:
        """Store how far an attempt is, in place of the checkpoint before."""
        async with self._units.begin() as work:
            await self._attempts(work, attempt).check_may_upload()
        size = await self._store.put(
            checkpoint_key(attempt.id, sha256),
            chunks,
            sha256=sha256,
            max_bytes=self._max_checkpoint_bytes,
        )
        checkpoint = Artifact(size_bytes=size, sha256=sha256)
        async with self._units.begin() as work:
            before = await self._attempts(work, attempt).note_checkpoint(checkpoint)
        if before not in {None, sha256}:
            await self._remove(checkpoint_key(attempt.id, str(before)))
        return checkpoint

    async def download_checkpoint(self, attempt: AttemptReference) -> Download:
        """Return where an attempt can go on."""
        async with self._units.begin() as work:
            checkpoint = await self._attempts(work, attempt).checkpoint()
        chunks = await self._store.open(checkpoint_key(attempt.id, checkpoint.sha256))
        return Download(checkpoint, chunks)

    async def put_log(self, name: str, *, replica: int, text: bytes) -> None:
        """Store the log of a replica in place of the one before."""
        async with self._units.begin() as work:
            attempt = await WorkloadService(
                work=work, check_max_attempts=self._check_max_attempts
            ).check_has_been(name)
        await self._store.put_text(log_key(attempt, replica), text)

    async def training_log(self, training_id: int, attempt: int | None) -> bytes:
        """Return the log of an attempt, by default the present one; empty if none came."""
        async with self._units.begin() as work:
            training = await work.trainings.get(training_id)
        wanted = attempt_of(training, attempt)
        return await self._log(
            AttemptReference(WorkloadKind.TRAINING, training_id, wanted), 0
        )

    async def inference_log(self, inference_id: int, replica: int) -> bytes:
        """Return the log of a replica; empty if none came."""
        async with self._units.begin() as work:
            inference = await work.inferences.get(inference_id)
        attempt = AttemptReference(WorkloadKind.INFERENCE, inference_id, inference.attempt)
        return await self._log(attempt, replica)

    async def _log(self, attempt: AttemptReference, replica: int) -> bytes:
        return await self._store.get_bytes(log_key(attempt, replica)) or b""

    def _attempts(self, work: UnitOfWork, attempt: AttemptReference) -> AttemptService:
        return AttemptService(
            work=work, attempt=attempt, check_max_attempts=self._check_max_attempts
        )

    async def _remove(self, key: str) -> None:
        """Remove what nothing refers to; if that fails, the sweeper does it later."""
        try:
            await self._store.delete(key)
        except ApiError as e:
            logger.warning("a file is left over", key=key, error=str(e))

    async def _download(self, artifact: Artifact) -> Download:
        chunks = await self._store.open(artifact_key(artifact.sha256))
        return Download(artifact, chunks)
