"""What is asked for is not there."""

from collections.abc import Sequence
from http import HTTPStatus

from api.exceptions.base import ApiError


class NotFoundError(ApiError):
    """There is no such thing."""

    status = HTTPStatus.NOT_FOUND
    code = "not-found"
    title = "Not found"

    @classmethod
    def of(cls, noun: str, identifier: int | str) -> "NotFoundError":
        """Return the error for a thing that is named by its kind and id."""
        return cls(f"There is no {noun} {identifier}. It may have been deleted.")


class ArtifactMissingError(NotFoundError):
    """The artifact store has nothing under a key."""

    code = "artifact-missing"
    title = "The stored file is missing"

    def __init__(self, key: str) -> None:
        super().__init__(f"The artifact store holds no {key!r}. Train again to make it.")


class FormatMissingError(NotFoundError):
    """A trained model is there, but not in the format that is asked for."""

    code = "format-missing"
    title = "The model has no file in this format"

    def __init__(self, training_id: int, *, wanted: str, existing: Sequence[str]) -> None:
        has = f"has {' and '.join(existing)}" if existing else "has none at all"
        super().__init__(
            f"The training {training_id} has no {wanted} file; it {has}. Its result says "
            "under `exports` what came of those that the deployment asked for."
        )


class WorkloadNotCurrentError(NotFoundError):
    """A workload is unknown, or another attempt has taken its place."""

    code = "workload-not-current"
    title = "The workload is not wanted"

    def __init__(self, name: str) -> None:
        super().__init__(f"No workload {name!r} is wanted now: stop it if it runs.")
