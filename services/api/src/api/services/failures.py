"""What people are told when something fails."""

from collections.abc import Mapping
from typing import Final

from kafkaml.schemas.states import ExitCode, FailureReason
from kafkaml.schemas.workloads import Observation

MAX_MESSAGE_CHARACTERS = 10_000

# Reasons that an executor knows for sure and that another attempt would not change.
EXECUTOR_REASONS: Final = frozenset(
    {
        FailureReason.OOM,
        FailureReason.DISK,
        FailureReason.DEADLINE,
        FailureReason.IMAGE,
        FailureReason.UNSCHEDULABLE,
        FailureReason.QUOTA,
    }
)

REASON_OF_EXIT_CODE: Final[Mapping[int, FailureReason]] = {
    ExitCode.ACCEPTED: FailureReason.NO_RESULT,
    ExitCode.MODEL_CODE: FailureReason.MODEL_CODE,
    ExitCode.DATA: FailureReason.BAD_STREAM,
}

_TEXTS: Final[Mapping[FailureReason, str]] = {
    FailureReason.MODEL_CODE: "The model's code failed. The logs show where; add a "
    "corrected version of the model and deploy it again.",
    FailureReason.BAD_STREAM: "The stream does not fit its control message or the model. "
    "The logs say why; announce a corrected stream to a new deployment.",
    FailureReason.OOM: "It needed more memory than it may use. Give it more with "
    "resources.memory, or a smaller batch_size.",
    FailureReason.DISK: "It wrote more to its disk than it may, or the disk of its machine "
    "was full. Announce a shorter stream, or ask the operator for more space.",
    FailureReason.DEADLINE: "It took longer than it may. Give it more time with "
    "deadline_seconds, more cores, or fewer epochs.",
    FailureReason.IMAGE: "Its container image could not be started. Ask the operator to "
    "check the image's name and the registry.",
    FailureReason.UNSCHEDULABLE: "No machine has the resources that it asks for. Ask for "
    "less, or ask the operator for a larger machine.",
    FailureReason.QUOTA: "The quota of the cluster does not allow what it asks for. Ask "
    "for less, stop what is not needed, or ask the operator for a larger quota.",
    FailureReason.PLATFORM: "The platform could not start it. Ask the operator to look at "
    "the orchestrator's log.",
    FailureReason.LOST: "It ended without a reason more often than it may. The logs may "
    "show why; retry it once the cause is gone.",
    FailureReason.NO_RESULT: "It ended as if all was well, but brought no result. The logs "
    "may show why; retry it.",
}
_OTHER = "It failed. The logs may show why."


def reason_of(observation: Observation) -> FailureReason | None:
    """Return the reason for a failure that no other attempt would mend, if there is one."""
    if observation.reason in EXECUTOR_REASONS:
        return FailureReason(observation.reason)
    if observation.exit_code is None:
        return None
    return REASON_OF_EXIT_CODE.get(observation.exit_code)


def message_of(reason: FailureReason, seen: str = "") -> str:
    """Return what happened and what to do, with what was seen of it."""
    text = _TEXTS.get(reason, _OTHER)
    return f"{text} {seen.strip()}".strip()[:MAX_MESSAGE_CHARACTERS]
