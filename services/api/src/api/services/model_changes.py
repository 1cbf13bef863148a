"""Which models an inference serves, and how that changes while it does."""

from collections.abc import Sequence

from api.exceptions import (
    FormatInvalidError,
    InferenceOverError,
    NoModelsBeforeError,
    NotFinishedError,
    NotFoundError,
    ValidationFailedError,
)
from api.services.notices import Notices
from api.services.served_trainings import check_format, served_model
from api.storage.unit_of_work import UnitOfWork
from api.tables.inference_row import InferenceRow
from api.tables.model_set import ModelSet, ServedModel
from api.tables.training_row import TrainingRow
from kafkaml.events import InferenceModelsChanged
from kafkaml.schemas.inferences import Inference
from kafkaml.schemas.served_models import RefusalReport, ServedModels

_REFUSES = "cannot serve the models of revision"


class ModelChanges:
    """Changes the models of inferences. Replicas follow by themselves."""

    def __init__(self, *, work: UnitOfWork) -> None:
        self._work = work

    async def change(self, inference_id: int, wanted: ServedModels) -> Inference:
        """Want these models; the same ones again are no change."""
        inference = await self._lock_live(inference_id)
        trainings = [
            await self._training(training_id, at=place)
            for training_id, place in sorted(_named(wanted))
        ]
        if wanted.shadow and inference.early_exit:
            raise ValidationFailedError.at(
                "body.shadow", "an inference with early exit can have no shadow"
            )
        for training in trainings:
            _check_fits(inference, training)
        models = _model_set(wanted, trainings)
        if models != inference.models:
            await self._replace(inference, models, before=inference.models)
        return inference.to_resource()

    async def roll_back(self, inference_id: int) -> Inference:
        """Return to the models before, which those of now become."""
        inference = await self._lock_live(inference_id)
        before = inference.models_before
        if before is None:
            raise NoModelsBeforeError(inference_id)
        await self._check_are_there(before)
        await self._replace(inference, before, before=inference.models)
        return inference.to_resource()

    async def refuse(self, inference: InferenceRow, report: RefusalReport) -> None:
        """Note that a replica cannot serve the newest models.

        Where none could so far, the inference returns to the models before: a replica that
        is started could do nothing else.
        """
        if report.revision != inference.revision:
            return
        reason = f"Replica {report.replica} {_REFUSES} {report.revision}: {report.reason}"
        before = inference.models_before
        if before is not None and not self._has_served(inference):
            try:
                await self._check_are_there(before)
            except NotFoundError:
                before = None
            if before is not None:
                reason = f"{reason} The models before answer again."
                await self._replace(inference, before, before=None, reason=reason)
        await Notices(work=self._work).put(inference, reason[:10_000])

    @staticmethod
    def _has_served(inference: InferenceRow) -> bool:
        return inference.revision in inference.serving_revisions.values()

    async def _replace(
        self,
        inference: InferenceRow,
        models: ModelSet,
        *,
        before: ModelSet | None,
        reason: str | None = None,
    ) -> None:
        await self._work.inferences.change(
            inference,
            **models.to_columns(),
            revision=inference.revision + 1,
            previous_models=before and before.model_dump(mode="json"),
        )
        if _REFUSES in (inference.notice or ""):
            await Notices(work=self._work).put(inference, None)
        self._work.outbox.add_event(
            InferenceModelsChanged(
                id=inference.id,
                training_id=inference.training_id,
                revision=inference.revision,
                canary_training_id=inference.canary_training_id,
                canary_share=inference.canary_share,
                shadow_training_id=inference.shadow_training_id,
                reason=reason,
            )
        )

    async def _check_are_there(self, models: ModelSet) -> None:
        """Raise NotFoundError if a training was deleted meanwhile."""
        for training_id in sorted(each.training_id for each in models.members):
            await self._work.trainings.lock(training_id)

    async def _training(self, training_id: int, *, at: str) -> TrainingRow:
        try:
            training = await self._work.trainings.lock(training_id)
        except NotFoundError as e:
            raise ValidationFailedError.at(f"body.{at}", e.detail) from e
        if training.artifact is None or training.trained_on is None:
            raise NotFinishedError(training_id, state=training.state)
        return training

    async def _lock_live(self, inference_id: int) -> InferenceRow:
        inference = await self._work.inferences.lock(inference_id)
        if inference.state.is_final:
            raise InferenceOverError(inference_id, state=inference.state)
        return inference


def _named(wanted: ServedModels) -> list[tuple[int, str]]:
    """Return each training with its place in the body."""
    named = [(wanted.primary, "primary")]
    if wanted.canary:
        named.append((wanted.canary.training_id, "canary.training_id"))
    if wanted.shadow:
        named.append((wanted.shadow.training_id, "shadow.training_id"))
    return named


def _model_set(wanted: ServedModels, trainings: Sequence[TrainingRow]) -> ModelSet:
    served: dict[int, ServedModel] = {each.id: served_model(each) for each in trainings}
    return ModelSet(
        primary=served[wanted.primary],
        canary=served[wanted.canary.training_id] if wanted.canary else None,
        canary_share=wanted.canary.share if wanted.canary else None,
        shadow=served[wanted.shadow.training_id] if wanted.shadow else None,
    )


def _check_fits(inference: InferenceRow, training: TrainingRow) -> None:
    """Raise FormatInvalidError if the records of an inference do not fit a model."""
    shape = (training.trained_on or {}).get("input_shape", [])
    try:
        check_format(inference.input_format, inference.input_config, input_shape=shape)
    except FormatInvalidError as e:
        raise ValidationFailedError.at(
            "body", f"The training {training.id} does not fit: {e.detail}"
        ) from e
