"""The API is at fault, or cannot serve just now."""

from datetime import timedelta
from http import HTTPStatus

from api.exceptions.base import ApiError


class InternalError(ApiError):
    """A mistake of ours; the log has the details."""

    def __init__(self) -> None:
        super().__init__("The API made a mistake; its log says more. Try again later.")


class UnavailableError(ApiError):
    """The API cannot serve now, and soon can."""

    status = HTTPStatus.SERVICE_UNAVAILABLE
    code = "unavailable"
    title = "The service is not available now"

    def __init__(self, what: str, *, retry_after: timedelta = timedelta(seconds=1)) -> None:
        seconds = max(1, round(retry_after.total_seconds()))
        super().__init__(
            f"{what}. Try again in {seconds} s.", headers={"Retry-After": str(seconds)}
        )


class NoReplicaError(UnavailableError):
    """An inference has no replica that answers over HTTP."""

    code = "no-replica"
    title = "No replica answers"

    def __init__(self, inference_id: int) -> None:
        super().__init__(
            f"No replica of the inference {inference_id} answers now",
            retry_after=timedelta(seconds=2),
        )
