"""Trainings: their states, curves, results and artifacts."""

from collections.abc import AsyncIterator, Collection
from datetime import timedelta
from pathlib import Path

from kafkaml.client._async._session import AsyncSession
from kafkaml.client._async._waiting import wait_until
from kafkaml.client._calls import place
from kafkaml.client._deadlines import Duration
from kafkaml.exceptions import WaitFailedError
from kafkaml.schemas.base import Page
from kafkaml.schemas.states import TrainingState
from kafkaml.schemas.trainings import (
    ArtifactFormat,
    ConfusionMatrix,
    Training,
    TrainingMetrics,
)

FINAL_STATES = frozenset(each for each in TrainingState if each.is_final)


class AsyncTrainings:
    """Trainings of model versions, and their results."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def get(self, training_id: int) -> Training:
        """Return a training."""
        return await self._session.get(place("trainings", training_id), Training)

    def list(
        self,
        *,
        deployment_id: int | None = None,
        state: TrainingState | None = None,
        limit: int | None = None,
    ) -> AsyncIterator[Training]:
        """Iterate over trainings, newest first; `limit` is the size of a page."""
        query = {"deployment_id": deployment_id, "state": state, "limit": limit}
        return self._session.pages(place("trainings"), Page[Training], query)

    async def metrics(
        self, training_id: int, *, attempt: int | None = None
    ) -> TrainingMetrics:
        """Return every metric of every epoch, of the newest attempt unless one is named."""
        path = place("trainings", training_id, "metrics")
        return await self._session.get(path, TrainingMetrics, {"attempt": attempt})

    async def confusion_matrix(self, training_id: int) -> ConfusionMatrix:
        """Return the counts by true class (row) and predicted class (column).

        Raise ProblemError `not-found` if the training has none.
        """
        path = place("trainings", training_id, "confusion-matrix")
        return await self._session.get(path, ConfusionMatrix)

    async def logs(self, training_id: int, *, attempt: int | None = None) -> str:
        """Return what the trainer wrote, in the newest attempt unless one is named."""
        path = place("trainings", training_id, "logs")
        return await self._session.get_text(path, {"attempt": attempt})

    async def stop(self, training_id: int) -> Training:
        """Stop a training; it is over at once and keeps no result."""
        return await self._session.act(place("trainings", training_id, "stop"), Training)

    async def finish(self, training_id: int) -> Training:
        """Let a training of a stream without an end read no more and hand in its result.

        Raise ProblemError `stream-ends` if its stream has an end.
        """
        return await self._session.act(place("trainings", training_id, "finish"), Training)

    async def retry(self, training_id: int) -> Training:
        """Start a failed or stopped training anew, as its next attempt."""
        path = place("trainings", training_id, "retry")
        return await self._session.act(path, Training, is_repeatable=False)

    async def wait(
        self,
        training_id: int,
        states: Collection[TrainingState] = FINAL_STATES,
        timeout: Duration = timedelta(hours=1),  # noqa: ASYNC109  see wait_until
    ) -> Training:
        """Wait until a training is in one of the states, by default in a final one.

        A short state may pass between two looks: name those that follow it too. Raise
        WaitFailedError if the training ends in another state, and WaitTimeoutError if it
        takes longer than `timeout`.
        """
        names = " or ".join(sorted(states))
        training = await wait_until(
            lambda: self.get(training_id),
            lambda seen: seen.state in states or seen.state.is_final,
            timeout=timeout,
            goal=f"training {training_id} is {names}",
        )
        if training.state not in states:
            reason = f": {training.failure.message}" if training.failure else ""
            raise WaitFailedError(
                f"training {training_id} is {training.state}, not {names}{reason}",
                resource=training,
            )
        return training

    async def download(
        self,
        training_id: int,
        path: Path | str,
        format: ArtifactFormat | str = ArtifactFormat.KERAS,  # noqa: A002  the API's word
    ) -> Path:
        """Write the trained model to a file of this name (`….keras`); return its path.

        The file appears only when it is complete and has the digest that the API announced,
        else ClientError is raised. Raise ProblemError if the training has no artifact, or
        none in this format.
        """
        return await self._session.download(
            place("trainings", training_id, "artifact"), Path(path), {"format": format}
        )
