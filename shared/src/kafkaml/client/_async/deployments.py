"""Deployments: a configuration, how to train it, and its trainings."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from datetime import timedelta
from typing import cast

from kafkaml.client._async._session import AsyncSession
from kafkaml.client._async._waiting import wait_until
from kafkaml.client._calls import build, place
from kafkaml.client._deadlines import Duration
from kafkaml.exceptions import WaitFailedError
from kafkaml.schemas.base import Page
from kafkaml.schemas.deployments import (
    BadRecords,
    Deployment,
    DeploymentCreate,
    ExportFormat,
    Resources,
    SplitStrategy,
    TrainingParameters,
)
from kafkaml.schemas.fit import FitOptions
from kafkaml.schemas.incremental import IncrementalOptions
from kafkaml.schemas.states import TrainingState

_DEFAULT = TrainingParameters()


class AsyncDeployments:
    """Configurations deployed for training."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def create(
        self,
        configuration_id: int,
        *,
        batch_size: int = _DEFAULT.batch_size,
        epochs: int = _DEFAULT.epochs,
        fit: FitOptions | Mapping[str, object] = _DEFAULT.fit,
        validation_rate: float | None = _DEFAULT.validation_rate,
        test_rate: float | None = _DEFAULT.test_rate,
        seed: int = _DEFAULT.seed,
        split: SplitStrategy = _DEFAULT.split,
        bad_records: BadRecords | Mapping[str, object] = _DEFAULT.bad_records,
        confusion_matrix: bool = _DEFAULT.confusion_matrix,
        report: bool = _DEFAULT.report,
        folds: int | None = _DEFAULT.folds,
        deadline_seconds: int = _DEFAULT.deadline_seconds,
        max_attempts: int = _DEFAULT.max_attempts,
        checkpoint_seconds: int | None = _DEFAULT.checkpoint_seconds,
        exports: Sequence[str] = _DEFAULT.exports,
        incremental: IncrementalOptions | Mapping[str, object] | None = None,
        resources: Resources | Mapping[str, object] = _DEFAULT.resources,
    ) -> Deployment:
        """Deploy a configuration for training: each of its models gets a training.

        `fit` holds further arguments of Keras' `fit` and its callbacks, `resources` what
        one training may use (`{"cpu": "2", "memory": "4Gi"}`). Rates are fractions of the
        records; None takes those of the stream's announcement. `deadline_seconds` counts
        from there too. `folds` cross-validates before the model is fitted for good.
        `bad_records` says whether to skip some, `exports` what the trained model is made
        in besides `.keras`. `incremental` trains on a stream without an end.
        """
        body = build(
            DeploymentCreate,
            configuration_id=configuration_id,
            batch_size=batch_size,
            epochs=epochs,
            fit=build(FitOptions.model_validate, fit),
            validation_rate=validation_rate,
            test_rate=test_rate,
            seed=seed,
            split=split,
            bad_records=build(BadRecords.model_validate, bad_records),
            confusion_matrix=confusion_matrix,
            report=report,
            folds=folds,
            deadline_seconds=deadline_seconds,
            max_attempts=max_attempts,
            checkpoint_seconds=checkpoint_seconds,
            exports=cast("list[ExportFormat]", list(exports)),
            incremental=None
            if incremental is None
            else build(IncrementalOptions.model_validate, incremental),
            resources=build(Resources.model_validate, resources),
        )
        return await self._session.create(place("deployments"), body, Deployment)

    async def get(self, deployment_id: int) -> Deployment:
        """Return a deployment with its trainings."""
        return await self._session.get(place("deployments", deployment_id), Deployment)

    def list(self, *, limit: int | None = None) -> AsyncIterator[Deployment]:
        """Iterate over all deployments, newest first; `limit` is the size of a page."""
        return self._session.pages(place("deployments"), Page[Deployment], {"limit": limit})

    async def delete(self, deployment_id: int) -> None:
        """Delete a deployment with its trainings and their results.

        Raise ProblemError `still-running` while a training is not final, `in-use` while an
        inference serves one.
        """
        await self._session.delete(place("deployments", deployment_id))

    async def wait_finished(
        self,
        deployment_id: int,
        timeout: Duration = timedelta(hours=1),  # noqa: ASYNC109  see wait_until
        on_update: Callable[[Deployment], None] | None = None,
        *,
        raise_on_failure: bool = True,
    ) -> Deployment:
        """Wait until every training is finished, failed or stopped; return the deployment.

        `on_update` is called with the deployment at first and after each change. Raise
        WaitFailedError if a training failed, unless `raise_on_failure` is off, and
        WaitTimeoutError if it takes longer than `timeout`.
        """
        last: Deployment | None = None

        async def look() -> Deployment:
            nonlocal last
            seen = await self.get(deployment_id)
            if on_update and seen != last:
                on_update(seen)
            last = seen
            return seen

        deployment = await wait_until(
            look,
            lambda seen: all(each.state.is_final for each in seen.trainings),
            timeout=timeout,
            goal=f"the trainings of deployment {deployment_id} are finished",
        )
        failures = _failures(deployment)
        if failures and raise_on_failure:
            raise WaitFailedError("; ".join(failures), resource=deployment)
        return deployment


def _failures(deployment: Deployment) -> "list[str]":
    return [
        f"training {each.id} ({each.model_name}) failed: "
        f"{each.failure.message if each.failure else 'no reason is given'}"
        for each in deployment.trainings
        if each.state is TrainingState.FAILED
    ]
