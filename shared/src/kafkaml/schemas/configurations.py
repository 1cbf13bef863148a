"""Configurations: models that are trained on the same stream."""

from pydantic import Field

from kafkaml.schemas.base import Id, Name, Request, Resource, Text, Time, example


class ConfigurationCreate(Request):
    """A named set of models, to be compared or to work together."""

    model_config = example({"name": "digits", "model_ids": [1]})

    name: Name = Field(examples=["digits"])
    description: Text = ""
    model_ids: list[Id] = Field(min_length=1, max_length=100, examples=[[1, 2]])


class ConfigurationUpdate(Request):
    """What to change; deployments made before keep the models they had."""

    model_config = example({"description": "Handwritten digits"})

    name: Name | None = None
    description: Text | None = None
    model_ids: list[Id] | None = Field(default=None, min_length=1, max_length=100)


class Configuration(Resource):
    """A named set of models."""

    id: Id
    name: str
    description: str
    model_ids: list[Id]
    created_at: Time
