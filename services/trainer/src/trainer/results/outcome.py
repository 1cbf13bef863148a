"""What an attempt has achieved."""

from dataclasses import dataclass

from kafkaml.control import ControlMessage
from kafkaml.descriptions import ModelDescription, TensorSignature
from kafkaml.profiles import DataProfile
from kafkaml.schemas.attempts import TrainingOrder
from kafkaml.schemas.fit import ClassWeights
from kafkaml.schemas.trainings import ConfusionMatrix, Timings, TrainingResult
from trainer.data.preparation import Prepared
from trainer.deadline import Deadline
from trainer.messages import Trained
from trainer.results.profile import profile_of


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a training measured; the model is in the file `MODEL_FILE`."""

    result: TrainingResult
    confusion_matrix: ConfusionMatrix | None
    profile: DataProfile
    deadline: Deadline
    input: TensorSignature | None = None
    output: TensorSignature | None = None

    def describe(self, order: TrainingOrder, *, attempt: int) -> ModelDescription:
        """Return what the model's file says about itself."""
        return ModelDescription(
            training_id=order.training_id,
            attempt=attempt,
            input=self.input,
            output=self.output,
            stream=self.result.stream,
            counts=self.result.counts,
            parameters=order.parameters,
            versions=self.result.versions,
        )


def outcome_of(
    trained: Trained,
    *,
    prepared: Prepared,
    announced: ControlMessage,
    timings: Timings,
    deadline: Deadline,
    class_weight: ClassWeights | None,
) -> Outcome:
    """Put together what the child has measured and what the trainer knows.

    `class_weight` is what `balanced` came to, if that was asked for.
    """
    dataset = prepared.dataset
    profile = profile_of(dataset)
    result = TrainingResult(
        training=trained.training,
        validation=trained.validation,
        test=trained.test,
        counts=dataset.counts,
        timings=timings,
        stream=announced.model_dump(mode="json"),
        input_shape=list(dataset.features.shape[1:]),
        versions=trained.versions,
        fit=trained.fit.model_copy(update={"class_weight": class_weight}),
        classification=trained.classification,
        regression=trained.regression,
        no_report=trained.no_report,
        cross_validation=trained.cross_validation,
        label_counts=profile.classes,
        skipped=prepared.records.skipped,
        warnings=prepared.warnings,
    )
    matrix = trained.confusion_matrix
    return Outcome(result, matrix, profile, deadline, trained.input, trained.output)
