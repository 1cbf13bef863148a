"""What can be done with inferences."""

from collections.abc import Mapping
from typing import Any

from api.exceptions import (
    InferenceOverError,
    NotFinishedError,
    NotFoundError,
    StillRunningError,
    ValidationFailedError,
)
from api.paging import PageRequest
from api.services.inference_lifecycle import InferenceLifecycle
from api.services.model_changes import ModelChanges
from api.services.served_trainings import check_format, served_model
from api.storage.unit_of_work import UnitOfWork
from api.tables.inference_row import InferenceRow
from api.tables.training_row import TrainingRow
from kafkaml.events import InferenceCreated
from kafkaml.schemas.base import Page
from kafkaml.schemas.inferences import Inference, InferenceCreate, InferenceScale
from kafkaml.schemas.served_models import ServedModels
from kafkaml.schemas.states import InferenceState
from kafkaml.schemas.workloads import WorkloadKind

_LABEL_PREFIX = "label_"


class InferenceService:
    """Decides about inferences."""

    def __init__(self, *, work: UnitOfWork) -> None:
        self._work = work
        self._lifecycle = InferenceLifecycle(work=work)
        self._changes = ModelChanges(work=work)

    async def create(self, wanted: InferenceCreate) -> Inference:
        """Serve a finished training, or what one has published that goes on."""
        training, trained_on = await self._trained(wanted.training_id)
        input_format, input_config = _format_of(wanted, trained_on["stream"])
        check_format(input_format, input_config, input_shape=trained_on["input_shape"])
        kept = served_model(training).kept_artifact
        inference = await self._work.inferences.add(
            InferenceRow(
                training_id=training.id,
                state=InferenceState.QUEUED,
                replicas=wanted.replicas,
                input_topic=wanted.input_topic,
                output_topic=wanted.output_topic,
                input_format=input_format,
                input_config=input_config,
                start=wanted.start,
                guarantee=wanted.guarantee,
                output_format=wanted.output_format,
                output_config=wanted.output_config.model_dump(mode="json"),
                input_cluster=wanted.input_cluster,
                output_cluster=wanted.output_cluster,
                early_exit_limit=wanted.early_exit and wanted.early_exit.limit,
                upper_topic=wanted.early_exit and wanted.early_exit.upper_topic,
                early_exit_layer=wanted.early_exit and wanted.early_exit.layer,
                wanted_engine=wanted.engine,
                kept_artifact=kept and kept.model_dump(mode="json"),
                drift=wanted.drift and wanted.drift.model_dump(mode="json"),
                dead_letter_limit=(
                    wanted.dead_letter_limit
                    and wanted.dead_letter_limit.model_dump(mode="json")
                ),
                resources=wanted.resources.model_dump(mode="json"),
            )
        )
        self._work.outbox.add_event(
            InferenceCreated(id=inference.id, training_id=training.id)
        )
        return inference.to_resource()

    async def get(self, inference_id: int) -> Inference:
        return (await self._work.inferences.get(inference_id)).to_resource()

    async def page(
        self, page: PageRequest, *, training_id: int | None, state: InferenceState | None
    ) -> Page[Inference]:
        rows = await self._work.inferences.page(page, training_id=training_id, state=state)
        return Page(
            items=[row.to_resource() for row in rows.items], next_cursor=rows.next_cursor
        )

    async def scale(self, inference_id: int, wanted: InferenceScale) -> Inference:
        """Change the number of replicas of an inference that is not over."""
        inference = await self._work.inferences.lock(inference_id)
        if inference.state.is_final:
            raise InferenceOverError(inference_id, state=inference.state)
        if wanted.replicas != inference.replicas:
            await self._lifecycle.scale(inference, wanted.replicas)
        return inference.to_resource()

    async def resume(self, inference_id: int) -> Inference:
        """Let an inference that paused go on; one that did not stays as it is."""
        inference = await self._work.inferences.lock(inference_id)
        if inference.state.is_final:
            raise InferenceOverError(inference_id, state=inference.state)
        if inference.pause is not None:
            await self._lifecycle.resume(inference)
        return inference.to_resource()

    async def change_models(self, inference_id: int, wanted: ServedModels) -> Inference:
        """Let other models answer from now on."""
        return await self._changes.change(inference_id, wanted)

    async def roll_back(self, inference_id: int) -> Inference:
        """Let the models before answer again."""
        return await self._changes.roll_back(inference_id)

    async def stop(self, inference_id: int) -> Inference:
        """Stop an inference at once; one that is over stays as it is."""
        inference = await self._work.inferences.lock(inference_id)
        if not inference.state.is_final:
            await self._lifecycle.stop(inference)
        return inference.to_resource()

    async def delete(self, inference_id: int) -> None:
        """Delete an inference that is over."""
        inference = await self._work.inferences.lock(inference_id)
        if not inference.state.is_final:
            raise StillRunningError("inference", inference_id, state=inference.state)
        await self._work.tokens.delete_of_workloads(WorkloadKind.INFERENCE, [inference_id])
        await self._work.inferences.delete(inference)

    async def _trained(self, training_id: int) -> tuple[TrainingRow, dict[str, Any]]:
        """Return a training that has a model, and what that was trained on."""
        try:
            training = await self._work.trainings.lock(training_id)
        except NotFoundError as e:
            raise ValidationFailedError.at("body.training_id", e.detail) from e
        if training.artifact is None or training.trained_on is None:
            raise NotFinishedError(training_id, state=training.state)
        return training, training.trained_on


def _format_of(
    wanted: InferenceCreate, stream: Mapping[str, Any]
) -> tuple[str, dict[str, Any]]:
    """Return the format that is wanted, completed from the stream of the training."""
    trained = str(stream.get("input_format", "")).upper()
    input_format = (wanted.input_format or trained).upper()
    if wanted.input_config is not None:
        return input_format, wanted.input_config
    config = stream.get("input_config") if input_format == trained else None
    features = {
        name: value
        for name, value in (config or {}).items()
        if not name.startswith(_LABEL_PREFIX)
    }
    return input_format, features
