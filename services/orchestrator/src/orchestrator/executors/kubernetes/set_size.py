"""How many replicas a set was asked for, and how that is changed."""

from orchestrator.executors.kubernetes.resources import Manifest
from orchestrator.pods.status import part

_ASKED = "kafka-ml/replicas"


class SetSize:
    """Reads and corrects sizes; `most` is how far KEDA may scale, None without KEDA.

    What KEDA does within its bounds is no error, so what we asked for is written beside.
    """

    def __init__(self, *, most: int | None) -> None:
        self._most = most

    def mark(self, manifest: Manifest, replicas: int) -> Manifest:
        """Return the manifest of a set with the size that it is asked for."""
        annotations = part(manifest, "metadata", "annotations")
        metadata = manifest["metadata"] | {
            "annotations": {**annotations, _ASKED: str(replicas)}
        }
        return manifest | {"metadata": metadata}

    def read(self, owner: Manifest) -> int:
        """Return the size that a set was asked for, or has against our will."""
        actual = int(part(owner, "spec").get("replicas", 1))
        asked = part(owner, "metadata", "annotations").get(_ASKED, "")
        if asked.isdigit() and self._is_within(int(asked), actual):
            return int(asked)
        return actual

    def correction(self, owner: Manifest, replicas: int) -> Manifest | None:
        """Return the changes that give a set its size; None if it has it."""
        if self.read(owner) == replicas:
            return None
        changes = self.mark({"metadata": {}}, replicas)
        actual = int(part(owner, "spec").get("replicas", 1))
        if not self._is_within(replicas, actual):
            changes["spec"] = {"replicas": replicas}
        return changes

    def _is_within(self, asked: int, actual: int) -> bool:
        most = asked if self._most is None else max(asked, self._most)
        return asked <= actual <= most
