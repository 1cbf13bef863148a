"""Whether an announced stream has no end, and can be trained on like that."""

from kafkaml.control import ControlMessage
from kafkaml.schemas.deployments import TrainingParameters
from kafkaml.schemas.states import FailureReason
from trainer.exceptions import StreamError


def is_incremental(parameters: TrainingParameters, announced: ControlMessage) -> bool:
    """Say whether a stream has no end; raise StreamError if that cannot be trained on."""
    if announced.ranges:
        if parameters.incremental is not None:
            raise _unsuitable(
                "the deployment is incremental, but ranges of records were announced: "
                "announce the name of the topic alone, or deploy without `incremental`"
            )
        return False
    if parameters.incremental is None and not announced.incremental:
        raise _unsuitable(
            f"the topic {announced.topic!r} was announced without ranges, as a stream "
            "without an end: announce it with `incremental` true, deploy with "
            "`incremental`, or give ranges as topic:partition:start:end"
        )
    try:
        parameters.check_suits_incremental()
    except ValueError as e:
        raise _unsuitable(str(e)) from e
    return True


def _unsuitable(message: str) -> StreamError:
    return StreamError(FailureReason.BAD_STREAM, message)
