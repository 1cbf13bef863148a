"""The rows behind workloads."""

from api.exceptions import NotFoundError
from api.services.workload_names import AttemptReference
from api.storage.unit_of_work import UnitOfWork
from api.tables.inference_row import InferenceRow
from api.tables.model_version_row import ModelVersionRow
from api.tables.training_row import TrainingRow
from kafkaml.schemas.states import ModelVersionState
from kafkaml.schemas.workloads import WorkloadKind

WorkloadRow = ModelVersionRow | TrainingRow | InferenceRow


async def lock_workload(work: UnitOfWork, attempt: AttemptReference) -> WorkloadRow | None:
    """Return the row that an attempt is of, for a change; None if there is none."""
    try:
        match attempt.kind:
            case WorkloadKind.CHECK:
                return await work.models.lock_version(attempt.id)
            case WorkloadKind.TRAINING:
                return await work.trainings.lock(attempt.id)
            case WorkloadKind.INFERENCE:
                return await work.inferences.lock(attempt.id)
    except NotFoundError:
        return None


def is_over(row: WorkloadRow) -> bool:
    """Say whether nothing more is to run for a check, a training or an inference."""
    if isinstance(row, ModelVersionRow):
        return row.state is not ModelVersionState.CHECKING
    return row.state.is_final
