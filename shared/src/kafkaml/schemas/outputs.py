"""How an inference answers: how often, in which form, and on which cluster."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from kafkaml.schemas.base import Name, Request, TopicName


class Guarantee(StrEnum):
    """How often a record can be answered.

    `exactly_once` holds for readers with `isolation.level=read_committed`.
    """

    AT_LEAST_ONCE = "at_least_once"
    EXACTLY_ONCE = "exactly_once"


class OutputFormat(StrEnum):
    """What the value of an answer is."""

    JSON = "JSON"
    RAW = "RAW"
    AVRO = "AVRO"
    LABEL = "LABEL"


class NumberType(StrEnum):
    """What the numbers of a RAW or AVRO answer are."""

    FLOAT16 = "float16"
    FLOAT32 = "float32"
    FLOAT64 = "float64"


class OutputConfig(Request):
    """What a format of answers leaves open."""

    data_type: Annotated[NumberType, Field(strict=False)] = Field(
        default=NumberType.FLOAT32,
        description="of RAW (little-endian) and AVRO, which knows float32 and float64",
    )
    class_names: list[Name] = Field(
        default_factory=list,
        max_length=10_000,
        description="of LABEL: the name of each class, in the order of the model's "
        "outputs; without them a label is the number of its class",
    )


class EarlyExit(Request):
    """Where a record goes on that the model is not sure of.

    What goes on is the output of a layer of the model, or without its name the first output
    of a model of two: the tensor for the next model, and the prediction.
    """

    limit: float = Field(
        examples=[0.8],
        description="a record whose largest prediction is smaller goes on",
    )
    upper_topic: TopicName = Field(
        examples=["digits-upper"],
        description="takes the tensor as float32 bytes; an input topic of the next model",
    )
    layer: Name | None = Field(
        default=None, examples=["features"], description="whose output the tensor is"
    )
