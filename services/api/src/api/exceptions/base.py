"""What every error has that the API answers with."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import ClassVar

from kafkaml.schemas.problems import FieldError


class ApiError(Exception):
    """An answer that is not the one the caller hoped for; the text says what to do."""

    status: ClassVar[HTTPStatus] = HTTPStatus.INTERNAL_SERVER_ERROR
    code: ClassVar[str] = "internal"
    title: ClassVar[str] = "Something went wrong"

    def __init__(
        self,
        detail: str,
        *,
        errors: Sequence[FieldError] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.detail = detail
        self.errors = tuple(errors)
        self.headers = dict(headers or {})
        super().__init__(detail)
