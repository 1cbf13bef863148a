"""Which training the records of a replica are compared with."""

import tempfile
import threading
from pathlib import Path

import structlog

from inferencer.artifact import fetch_artifact
from inferencer.drift import DriftWatch
from inferencer.engines.base import ArtifactSource
from inferencer.exceptions import InferencerError
from inferencer.window import Reference
from kafkaml.exceptions import ClientError, FormatError
from kafkaml.formats import AvroFormat, JsonFormat, feature_format
from kafkaml.profiles import read_profile
from kafkaml.schemas.attempts import InferenceOrder

log = structlog.get_logger()

# Of a `.keras` file that is fetched for nothing but its profile.
MAX_ARTIFACT_BYTES = 2**30


class ProfileWatch:
    """Lets records be compared with the training of the model that an order names.

    The profile is inside the `.keras` file, which a replica on another engine does not
    have: it is fetched in the background while records are answered, and removed.
    """

    def __init__(self, *, source: ArtifactSource, drift: DriftWatch) -> None:
        self._source = source
        self._drift = drift
        self._sha256: str | None = None

    def heed(self, order: InferenceOrder) -> None:
        """Follow an order; one with the same model changes nothing."""
        if order.drift is None or order.artifact.sha256 == self._sha256:
            return
        self._sha256 = order.artifact.sha256
        self._drift.compare_with(None)
        if order.artifact.size_bytes > MAX_ARTIFACT_BYTES:
            log.warning("drift is not watched: the model is too large to be fetched twice")
            return
        threading.Thread(
            target=self._begin, args=(order,), name="profile", daemon=True
        ).start()

    def _begin(self, order: InferenceOrder) -> None:
        try:
            reference = self._reference(order)
        except (InferencerError, ClientError, FormatError, OSError) as e:
            log.warning("drift is not watched", error=str(e))
            return
        if reference is None:
            log.info("drift is not watched: the training has no profile")
        elif self._sha256 == order.artifact.sha256:
            self._drift.compare_with(reference)

    def _reference(self, order: InferenceOrder) -> Reference | None:
        options = order.drift
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "model.keras"
            fetch_artifact(self._source, order.artifact, path)
            profile = read_profile(path)
        if profile is None or options is None:
            return None
        if order.early_exit is not None:  # not all records get to a class here
            profile = profile.model_copy(update={"classes": None})
        return Reference.of(
            profile,
            training_id=order.training_id,
            options=options,
            names=feature_names(order),
        )


def feature_names(order: InferenceOrder) -> tuple[str, ...]:
    """Return the names of the fields of a record; none where they have no names."""
    described = feature_format(order.input_format, order.input_config)
    if isinstance(described, JsonFormat | AvroFormat):
        return described.fields or ()
    return ()
