"""The states that things can be in, and the closed list of reasons for a failure."""

from enum import StrEnum


class ModelVersionState(StrEnum):
    """A model version is checked once, right after it was made."""

    CHECKING = "checking"
    VALID = "valid"
    INVALID = "invalid"


class TrainingState(StrEnum):
    """`queued → starting → waiting → training → finished | failed | stopped`."""

    QUEUED = "queued"
    STARTING = "starting"
    WAITING = "waiting"
    TRAINING = "training"
    FINISHED = "finished"
    FAILED = "failed"
    STOPPED = "stopped"

    @property
    def is_final(self) -> bool:
        return self in {self.FINISHED, self.FAILED, self.STOPPED}


class InferenceState(StrEnum):
    """`queued → starting → serving → stopped | failed`."""

    QUEUED = "queued"
    STARTING = "starting"
    SERVING = "serving"
    STOPPED = "stopped"
    FAILED = "failed"

    @property
    def is_final(self) -> bool:
        return self in {self.STOPPED, self.FAILED}


class DatasourceState(StrEnum):
    """Whether a control message keeps the rules."""

    RECORDED = "recorded"
    REJECTED = "rejected"


class FailureReason(StrEnum):
    """Why something failed, for programs; the text beside it is for people."""

    MODEL_CODE = "model_code"
    BAD_STREAM = "bad_stream"
    DATA_EXPIRED = "data_expired"
    DATA_SHORT = "data_short"
    DATA_GONE = "data_gone"
    DIVERGED = "diverged"
    OOM = "oom"
    DISK = "disk"
    DEADLINE = "deadline"
    IMAGE = "image"
    UNSCHEDULABLE = "unschedulable"
    QUOTA = "quota"
    LOST = "lost"
    NO_RESULT = "no_result"
    ARTIFACT = "artifact"
    PLATFORM = "platform"


class ExitCode:
    """What the exit code of a workload says; anything else means that it was lost."""

    ACCEPTED = 0
    MODEL_CODE = 3
    DATA = 4
    RETRYABLE = 5
    DRAINED = 143
    # Of a trainer that has waited for an attempt, and was given none.
    NO_ORDER = 75
