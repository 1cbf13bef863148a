"""The model file on its way from the API to this machine."""

import hashlib
from pathlib import Path

import structlog

from inferencer.engines.base import ArtifactSource
from inferencer.exceptions import ArtifactDataError
from kafkaml.exceptions import ClientError, ProblemError
from kafkaml.schemas.trainings import Artifact

log = structlog.get_logger()

DOWNLOADS = 3


def fetch_artifact(source: ArtifactSource, artifact: Artifact, path: Path) -> None:
    """Store the model file at `path`, byte for byte what the training uploaded.

    Raise ArtifactDataError if it is missing, or still damaged after a few downloads.
    """
    for _ in range(DOWNLOADS):
        problem = _fetch(source, artifact, path)
        if problem is None:
            return
        log.warning("model file not usable", problem=problem)
    raise ArtifactDataError(
        f"{problem}. Check the artifact store, or retry the training to make the file anew."
    )


def _fetch(source: ArtifactSource, artifact: Artifact, path: Path) -> str | None:
    """Download once; return what is wrong, if anything is."""
    try:
        source.download_artifact(path, artifact.format, sha256=artifact.sha256)
    except ProblemError as e:
        return f"the model file is missing: {e}"
    except ClientError as e:
        return f"the model file is damaged: {e}"
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if digest != artifact.sha256:
        return f"the model file is damaged: its SHA-256 is {digest}, not {artifact.sha256}"
    return None
