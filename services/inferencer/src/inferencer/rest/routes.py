"""Which path is answered by what, and for whom."""

import hmac
from http import HTTPStatus

from inferencer.exceptions import RequestRefusedError
from inferencer.probes import Probes
from inferencer.rest.asked_records import AskedRecords
from inferencer.rest.messages import HttpAnswer, HttpRequest
from inferencer.rest.open_inference import PREFIX, OpenInference

RECORDS_PATH = "/records"
_OPEN_PATHS = frozenset({f"{PREFIX}/health/live", f"{PREFIX}/health/ready"})


class Routes:
    """The paths of a replica.

    Probes and metrics are for anyone who reaches the port; predictions are for those who
    know the key that the replica told the API, unless `is_open` lets anyone use `/v2`.
    """

    def __init__(
        self,
        *,
        probes: Probes,
        open_inference: OpenInference,
        records: AskedRecords,
        key: str,
        is_open: bool,
    ) -> None:
        self._probes = probes
        self._open_inference = open_inference
        self._records = records
        self._authorization = f"Bearer {key}".encode()
        self._is_open = is_open

    def refusal(self, path: str, authorization: str) -> HttpAnswer | None:
        """Return the answer to those who may not ask for a path, None for all others."""
        if not self._needs_key(path):
            return None
        if hmac.compare_digest(authorization.encode(), self._authorization):
            return None
        return HttpAnswer.error(
            HTTPStatus.UNAUTHORIZED,
            "only the platform knows the key: ask by its API",
            **{"WWW-Authenticate": "Bearer"},
        )

    def answer(self, request: HttpRequest) -> HttpAnswer:
        """Return the answer to one who may ask."""
        try:
            return self._answer(request)
        except RequestRefusedError as e:
            is_busy = e.status is HTTPStatus.SERVICE_UNAVAILABLE
            headers = {"Retry-After": "1"} if is_busy else {}
            return HttpAnswer.error(e.status, str(e), **headers)

    def _answer(self, request: HttpRequest) -> HttpAnswer:
        if _is_below(request.path, PREFIX):
            return self._open_inference.answer(request)
        if (request.method, request.path) == ("POST", RECORDS_PATH):
            return self._records.answer(request.body)
        if request.method == "GET":
            return self._probes.answer(request.path)
        raise RequestRefusedError(
            f"there is no {request.method} {request.path}", status=HTTPStatus.NOT_FOUND
        )

    def _needs_key(self, path: str) -> bool:
        if _is_below(path, PREFIX):
            return not self._is_open and path not in _OPEN_PATHS
        return path == RECORDS_PATH


def _is_below(path: str, prefix: str) -> bool:
    return path == prefix or path.startswith(f"{prefix}/")
