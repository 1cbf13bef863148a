"""Engines: what computes the predictions of an inference."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from kafkaml.schemas.base import Message, Resource

_Milliseconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class EngineName(StrEnum):
    """What can compute predictions; all give the answers of the Keras model."""

    LITERT = "litert"
    SAVED_MODEL = "saved_model"
    KERAS = "keras"


class EngineChoice(StrEnum):
    """Which engine is wanted; `auto` takes the fastest that gives Keras' answers."""

    AUTO = "auto"
    LITERT = "litert"
    SAVED_MODEL = "saved_model"
    KERAS = "keras"


class EngineReport(Resource):
    """The engine that a replica took, as timed on its own machine."""

    name: EngineName
    call_milliseconds: dict[str, _Milliseconds] = Field(
        max_length=20,
        description="of one call, by the number of records in it",
        examples=[{"1": 0.01, "8": 0.02, "32": 0.05, "256": 0.3}],
    )
    rejected: dict[EngineName, Message] = Field(
        default_factory=dict, description="why another engine was not taken"
    )
