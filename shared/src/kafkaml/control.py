"""The control message: how a producer announces a stream to a deployment.

The wire format is that of the original Kafka-ML, so its sinks work unchanged: the key is
the deployment id as a big-endian unsigned integer, the value a JSON object.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated, Any, Self

import orjson
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from kafkaml.exceptions import ControlMessageError

DEFAULT_CONTROL_TOPIC = "KAFKA_ML_CONTROL_TOPIC"
MAX_VALUE_BYTES = 1024 * 1024

MAX_ID = 2**63 - 1
_TOPIC_NAME = re.compile(r"(?!\.{1,2}$)[A-Za-z0-9._-]{1,249}")

Offset = Annotated[int, Field(ge=0, le=MAX_ID, strict=True)]
Rate = Annotated[float, Field(ge=0, lt=1, allow_inf_nan=False)]


def check_topic_name(name: str) -> str:
    """Return `name` if Kafka accepts it as a topic name, else raise ValueError."""
    if not _TOPIC_NAME.fullmatch(name):
        raise ValueError(
            f"{name[:80]!r} is not a topic name: use 1 to 249 of A-Z a-z 0-9 . _ -"
        )
    return name


@dataclass(frozen=True, slots=True, order=True)
class TopicRange:
    """The records of one partition from `start` up to, not including, `end`."""

    topic: str
    partition: int
    start: int
    end: int

    def __str__(self) -> str:
        return f"{self.topic}:{self.partition}:{self.start}:{self.end}"

    def __len__(self) -> int:
        """Return the number of offsets, an upper bound for the number of records."""
        return self.end - self.start

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Read `topic:partition:start:end`; raise ValueError if it is anything else."""
        parts = text.strip().split(":")
        numbers = parts[1:]
        if len(parts) != 4 or not all(re.fullmatch(r"[0-9]{1,19}", n) for n in numbers):
            raise ValueError(
                f"{text[:80]!r} is not a range: write topic:partition:start:end"
            )
        partition, start, end = (int(n) for n in numbers)
        if partition >= 2**31 or end > MAX_ID:
            raise ValueError(f"{text[:80]!r} holds a number that Kafka does not know")
        if start > end:
            raise ValueError(f"{text[:80]!r} ends before it starts")
        return cls(check_topic_name(parts[0]), partition, start, end)


def ranges_from_text(text: str) -> tuple[TopicRange, ...]:
    """Read ranges joined by commas; raise ValueError if two of them overlap."""
    ranges = tuple(TopicRange.from_text(part) for part in text.split(","))
    ordered = sorted(ranges)
    for one, two in pairwise(ordered):
        same_log = (one.topic, one.partition) == (two.topic, two.partition)
        if same_log and two.start < one.end:
            raise ValueError(f"the ranges {one} and {two} overlap")
    return ranges


class ControlMessage(BaseModel):
    """One announcement. Unknown fields are accepted, broken rules are not."""

    model_config = ConfigDict(frozen=True, extra="ignore", defer_build=True)

    deployment_id: int = Field(ge=0, le=MAX_ID, strict=True)
    topic: str = Field(min_length=1, max_length=100_000)
    input_format: str = Field(min_length=1, max_length=40)
    input_config: dict[str, Any] = Field(default_factory=dict)
    validation_rate: Rate = 0.0
    test_rate: Rate = 0.0
    total_msg: Offset | None = None
    description: str = Field(default="", max_length=10_000)
    unsupervised_topic: str | None = None
    dataset_restrictions: Any = None
    incremental: bool = False

    @field_validator("input_format")
    @classmethod
    def _upper_case(cls, value: str) -> str:
        return value.upper()

    @field_validator("description", mode="before")
    @classmethod
    def _no_description(cls, value: object) -> object:
        return "" if value is None else value

    @field_validator("validation_rate", "test_rate", mode="before")
    @classmethod
    def _no_rate(cls, value: object) -> object:
        return 0.0 if value is None else value

    @model_validator(mode="after")
    def _check_whole(self) -> Self:
        if self.validation_rate + self.test_rate >= 1:
            raise ValueError(
                "validation_rate and test_rate leave nothing to train on: "
                "their sum must be below 1"
            )
        if ":" in self.topic:
            ranges = ranges_from_text(self.topic)
            if not sum(len(each) for each in ranges):
                raise ValueError("the ranges are empty: there is nothing to train on")
        else:
            check_topic_name(self.topic)
        return self

    @property
    def ranges(self) -> tuple[TopicRange, ...]:
        """The announced ranges; empty for an unbounded stream (a bare topic name)."""
        return ranges_from_text(self.topic) if ":" in self.topic else ()

    def to_key(self) -> bytes:
        """Return the deployment id, big-endian, in as few bytes as it needs."""
        return key_of(self.deployment_id)

    def to_value(self) -> bytes:
        """Return the JSON value; it names the deployment as well as the key does."""
        return orjson.dumps(self.model_dump(mode="json"))

    @classmethod
    def from_record(cls, key: bytes | None, value: bytes | None) -> Self:
        """Read a record of the control topic; raise ControlMessageError with the reason.

        The deployment id is taken from the value, else from the key; if both are there they
        must agree.
        """
        fields = _json_object(value)
        _settle_deployment_id(fields, key)
        return cls.from_fields(fields)

    @classmethod
    def from_fields(cls, fields: Mapping[str, Any]) -> Self:
        """Make a message; raise ControlMessageError with the first broken rule."""
        try:
            return cls.model_validate(fields)
        except ValidationError as e:
            raise ControlMessageError(_first_error(e)) from e


def key_of(deployment_id: int) -> bytes:
    """Return an id as an unsigned big-endian integer of one byte or more."""
    return deployment_id.to_bytes(max(1, (deployment_id.bit_length() + 7) // 8), "big")


def deployment_id_of(key: bytes | None) -> int | None:
    """Return the id that a key names; None for no key, or for one that is no 64-bit id."""
    if not key or len(key) > 8:
        return None
    number = int.from_bytes(key, "big")
    return number if number <= MAX_ID else None


def _json_object(value: bytes | None) -> dict[str, Any]:
    if value is None:
        raise ControlMessageError("the message has no value")
    if len(value) > MAX_VALUE_BYTES:
        raise ControlMessageError(f"the value is larger than {MAX_VALUE_BYTES} bytes")
    try:
        fields = orjson.loads(value)
    except orjson.JSONDecodeError as e:
        raise ControlMessageError(f"the value is not JSON: {e}") from e
    if not isinstance(fields, dict):
        raise ControlMessageError("the value is not a JSON object")
    return fields


def _settle_deployment_id(fields: dict[str, Any], key: bytes | None) -> None:
    of_key = deployment_id_of(key)
    of_value = fields.get("deployment_id")
    if of_value is None:
        if of_key is None:
            raise ControlMessageError(
                "no deployment is named: neither by the key (a big-endian integer of "
                "1 to 8 bytes) nor by the field deployment_id"
            )
        fields["deployment_id"] = of_key
    elif key and of_key != of_value:
        named = "no deployment" if of_key is None else f"deployment {of_key}"
        raise ControlMessageError(
            f"the key names {named}, the value deployment {repr(of_value)[:40]}"
        )


def _first_error(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_context=False)[0]
    place = ".".join(str(part) for part in first["loc"])
    text = first["msg"].removeprefix("Value error, ")
    return f"{place}: {text}" if place else text
