"""The call does not fit the state that things are in."""

from collections.abc import Sequence
from http import HTTPStatus

from api.exceptions.base import ApiError


class ConflictError(ApiError):
    """The call does not fit the state that things are in."""

    status = HTTPStatus.CONFLICT
    code = "conflict"
    title = "The call does not fit the present state"


class NameTakenError(ConflictError):
    """A name that must be unique is used already."""

    code = "name-taken"
    title = "The name is taken"

    def __init__(self, noun: str, name: str) -> None:
        super().__init__(f"A {noun} named {name!r} exists. Choose another name.")


class InUseError(ConflictError):
    """Something cannot be deleted while other things need it."""

    code = "in-use"
    title = "It is still used"

    def __init__(self, noun: str, identifier: int, *, by: str) -> None:
        super().__init__(f"The {noun} {identifier} is used by {by}. Delete that first.")


class NotFinishedError(ConflictError):
    """Something needs a finished training."""

    code = "not-finished"
    title = "The training is not finished"

    def __init__(self, training_id: int, *, state: str) -> None:
        super().__init__(
            f"The training {training_id} is {state}; this needs one that is finished."
        )


class AlreadyFinishedError(ConflictError):
    """A training that has its result cannot be tried again."""

    code = "already-finished"
    title = "The training is finished"

    def __init__(self, training_id: int) -> None:
        super().__init__(
            f"The training {training_id} has its result. Deploy its configuration again "
            "for another one."
        )


class StillRunningError(ConflictError):
    """Something needs a thing that is over."""

    code = "still-running"
    title = "It is still running"

    def __init__(self, noun: str, identifier: int, *, state: str) -> None:
        super().__init__(f"The {noun} {identifier} is {state}. Stop it first.")


class StreamEndsError(ConflictError):
    """Only a training of a stream without an end can be told to finish."""

    code = "stream-ends"
    title = "The stream of the training has an end"

    def __init__(self, training_id: int) -> None:
        super().__init__(
            f"Training {training_id} reads a stream that has an end: wait for it, or stop "
            "the training."
        )


class ModelInvalidError(ConflictError):
    """A model's newest version does not give a usable Keras model."""

    code = "model-invalid"
    title = "A model is invalid"

    def __init__(self, names: Sequence[str]) -> None:
        listed = ", ".join(repr(name) for name in names)
        super().__init__(
            f"The newest version of {listed} did not pass its check. Read its error and "
            "add a corrected version."
        )


class AttemptOverError(ConflictError):
    """An attempt was stopped, superseded or has failed."""

    code = "attempt-over"
    title = "The attempt is over"

    def __init__(self) -> None:
        super().__init__("The attempt was stopped, superseded or has ended: exit.")


class DeploymentOverError(ConflictError):
    """A deployment waits for no stream any more."""

    code = "deployment-over"
    title = "The deployment is over"

    def __init__(self, deployment_id: int) -> None:
        super().__init__(
            f"Every training of deployment {deployment_id} is over, so none would read "
            "the stream. Make another deployment."
        )


class InferenceOverError(ConflictError):
    """An inference was stopped or has failed."""

    code = "inference-over"
    title = "The inference is over"

    def __init__(self, inference_id: int, *, state: str) -> None:
        super().__init__(f"The inference {inference_id} is {state}. Make another one.")


class OtherClusterError(ConflictError):
    """A topic is on a cluster that only replicas reach."""

    code = "other-cluster"
    title = "The topic is on another cluster"

    def __init__(self, topic: str, *, cluster: str) -> None:
        super().__init__(
            f"The topic {topic} is on the cluster {cluster!r}, which only the replicas of "
            "the inference use: use it by a Kafka client of your own."
        )


class TopicMissingError(ConflictError):
    """Something would be sent to a topic that is not there."""

    code = "topic-missing"
    title = "The topic does not exist"

    def __init__(self, topic: str) -> None:
        super().__init__(f"There is no topic {topic}. Make it, and send again.")


class NoModelsBeforeError(ConflictError):
    """An inference has nothing to roll back to."""

    code = "no-models-before"
    title = "There are no models to return to"

    def __init__(self, inference_id: int) -> None:
        super().__init__(
            f"The inference {inference_id} has had no other models that it could serve. "
            "Change them with PUT …/models."
        )


class DatasourceRejectedError(ConflictError):
    """A control message that breaks a rule cannot be sent again."""

    code = "datasource-rejected"
    title = "The datasource was rejected"

    def __init__(self, datasource_id: int, *, rejection: str) -> None:
        super().__init__(
            f"The datasource {datasource_id} cannot be sent: {rejection}. Announce the "
            "stream again with a corrected control message."
        )
