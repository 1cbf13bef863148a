"""What ought to run now."""

import math
from uuid import UUID

from api.config import ApiSettings
from api.services.workload_names import AttemptReference
from api.storage.unit_of_work import UnitOfWork
from api.tables.inference_row import InferenceRow
from api.tables.model_version_row import ModelVersionRow
from api.tables.training_row import TrainingRow
from kafkaml.schemas.deployments import cpu_cores
from kafkaml.schemas.workloads import WantedTopic, Workload, WorkloadKind, WorkloadList


class WantedWorkloads:
    """Lists the workloads that ought to run; its cost does not grow with what is over."""

    def __init__(self, *, work: UnitOfWork, settings: ApiSettings) -> None:
        self._work = work
        self._settings = settings

    async def current(self) -> WorkloadList:
        """Return every workload that ought to run now."""
        platform = await self._work.platforms.current_id()
        checks = await self._work.models.checking()
        trainings = await self._work.trainings.wanted()
        inferences = await self._work.inferences.wanted()
        return WorkloadList(
            items=[
                *(self._check(version, platform) for version in checks),
                *(self._training(training, platform) for training in trainings),
                *(self._inference(inference, platform) for inference in inferences),
            ]
        )

    def _check(self, version: ModelVersionRow, platform: UUID) -> Workload:
        attempt = AttemptReference(WorkloadKind.CHECK, version.id, version.attempt)
        return Workload(
            name=attempt.name,
            platform=platform,
            kind=attempt.kind,
            id=attempt.id,
            attempt=attempt.attempt,
            replicas=1,
            resources=self._settings.check_resources,
            cpu_seconds=self._settings.check_cpu_seconds,
        )

    def _training(self, training: TrainingRow, platform: UUID) -> Workload:
        attempt = AttemptReference(WorkloadKind.TRAINING, training.id, training.attempt)
        parameters = training.deployment.to_parameters()
        cores = max(1, math.ceil(cpu_cores(parameters.resources.cpu)))
        return Workload(
            name=attempt.name,
            platform=platform,
            kind=attempt.kind,
            id=attempt.id,
            attempt=attempt.attempt,
            replicas=1,
            resources=parameters.resources,
            cpu_seconds=None  # nobody knows when a stream without an end ends
            if parameters.incremental
            else parameters.deadline_seconds * cores + self._settings.startup_cpu_seconds,
        )

    def _inference(self, inference: InferenceRow, platform: UUID) -> Workload:
        attempt = AttemptReference(WorkloadKind.INFERENCE, inference.id, inference.attempt)
        return Workload(
            name=attempt.name,
            platform=platform,
            kind=attempt.kind,
            id=attempt.id,
            attempt=attempt.attempt,
            replicas=inference.replicas,
            resources=inference.to_resources(),
            topics=[
                WantedTopic(name=name, partitions=inference.replicas, cluster=cluster)
                for name, cluster in _topics(inference)
            ],
        )


def _topics(inference: InferenceRow) -> list[tuple[str, str | None]]:
    """Return each topic with its cluster, the input topic first."""
    written = [inference.output_topic, inference.dead_letter_topic]
    others = (inference.upper_topic, inference.shadow_topic)
    written.extend(each for each in others if each is not None)
    return [
        (inference.input_topic, inference.input_cluster),
        *((name, inference.output_cluster) for name in written),
    ]
