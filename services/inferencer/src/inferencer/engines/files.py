"""The files of a model, fetched when an engine needs them."""

from dataclasses import dataclass
from pathlib import Path

from inferencer.artifact import fetch_artifact
from inferencer.engines.base import ArtifactSource
from inferencer.exceptions import ExportMissingError
from kafkaml.schemas.attempts import InferenceOrder
from kafkaml.schemas.engines import EngineName
from kafkaml.schemas.trainings import ArtifactFormat

_FORMATS = {
    EngineName.LITERT: ArtifactFormat.LITERT,
    EngineName.SAVED_MODEL: ArtifactFormat.SAVED_MODEL,
    EngineName.KERAS: ArtifactFormat.KERAS,
}


@dataclass(frozen=True, slots=True)
class ModelFiles:
    """The files of one order, in a folder that lives as long as they are needed."""

    order: InferenceOrder
    source: ArtifactSource
    folder: Path

    def fetch(self, name: EngineName) -> Path:
        """Return the file of an engine; raise ExportMissingError or ArtifactDataError."""
        wanted = _FORMATS[name]
        every = (self.order.artifact, *self.order.artifacts)
        artifact = next((each for each in every if each.format is wanted), None)
        if artifact is None:
            raise ExportMissingError("the training has no such export")
        path = self.folder / (f"model.{name}" if name is EngineName.KERAS else name)
        if not path.exists():
            fetch_artifact(self.source, artifact, path)
        return path
