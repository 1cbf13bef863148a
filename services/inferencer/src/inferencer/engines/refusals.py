"""Why engines were not taken."""

import structlog

from inferencer.exceptions import (
    ArtifactModelError,
    ExportMissingError,
    UnusableOrderError,
)
from kafkaml.schemas.engines import EngineName

log = structlog.get_logger()


class Refusals:
    """Collects reasons, for the report or for the error where no engine is left."""

    def __init__(self) -> None:
        self.reasons: dict[EngineName, str] = {}
        self._of_keras: UnusableOrderError | None = None

    def add(self, name: EngineName, error: Exception) -> None:
        """Note that an engine cannot serve."""
        self.reasons[name] = str(error)
        if name is EngineName.KERAS and isinstance(error, UnusableOrderError):
            self._of_keras = error
        # Most trainings have not every export.
        tell = log.info if isinstance(error, ExportMissingError) else log.warning
        tell("engine not usable", engine=name, reason=str(error))

    def to_error(self) -> UnusableOrderError:
        """Return what to raise where no engine is left."""
        if self._of_keras is not None:
            return self._of_keras
        reasons = "; ".join(f"{name}: {reason}" for name, reason in self.reasons.items())
        return ArtifactModelError(f"no engine can serve the model: {reasons}")
