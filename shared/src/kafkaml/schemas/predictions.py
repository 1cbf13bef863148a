"""Predictions that are asked for over HTTP."""

from ipaddress import ip_address
from typing import Annotated, Any, Self

from pydantic import AfterValidator, Field, model_validator

from kafkaml.schemas.base import Request, Resource, example

MAX_RECORDS = 1024


def _check_address(address: str) -> str:
    """Refuse what is never the address of a replica, such as that of a cloud's metadata."""
    host, _, port = address.rpartition(":")
    if not 0 < int(port) < 2**16:
        raise ValueError("there is no such port")
    literal = host.strip("[]")
    if ":" not in literal and not literal.replace(".", "").isdigit():
        return address
    number = ip_address(literal)
    if number.is_link_local or number.is_multicast or number.is_unspecified:
        raise ValueError("nothing is served at such an address")
    return address


class PredictionRequest(Request):
    """Records to be answered: as numbers, or as the bytes that the stream would hold."""

    model_config = example({"records": [[0.1, 0.2, 0.3, 0.4], [0.5, 0.6, 0.7, 0.8]]})

    records: Annotated[list[Any], Field(min_length=1, max_length=MAX_RECORDS)] | None = (
        Field(
            default=None,
            description="each an array in the shape of one record, or, where the input "
            "format is JSON, what its value would be",
        )
    )
    base64: Annotated[list[str], Field(min_length=1, max_length=MAX_RECORDS)] | None = (
        Field(default=None, description="each the value of a record of the input topic")
    )

    @model_validator(mode="after")
    def _check_one(self) -> Self:
        if (self.records is None) == (self.base64 is None):
            raise ValueError("give either records or base64")
        return self


class RecordError(Resource):
    """Why a record has no answer: what its dead letter would say."""

    stage: str
    message: str


class RecordAnswer(Resource):
    """The answer to one record, as the output topic would hold it, or an error.

    `base64` is an answer that is not JSON. With `topic` it is no answer: the record would
    go on to the model that reads that topic, for this one is not sure of it.
    """

    values: list[Any] | None = None
    label: str | int | None = None
    score: float | None = None
    base64: str | None = None
    topic: str | None = None
    model: str | None = Field(default=None, description="`training/version`")
    error: RecordError | None = None


class Prediction(Resource):
    """The answers, in the order of the records."""

    answers: list[RecordAnswer]


class AddressReport(Request):
    """Where a replica is asked over HTTP, and the key that it asks for in return.

    Sent again and again: one that is not heard of any more is not asked.
    """

    address: Annotated[
        str,
        Field(
            max_length=300,
            pattern=r"^(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9]([A-Za-z0-9_.-]*[A-Za-z0-9])?):\d{1,5}$",
            description="`host:port`",
            examples=["10.1.2.3:8080"],
        ),
        AfterValidator(_check_address),
    ]
    key: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{43}$")]
