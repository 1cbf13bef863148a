"""Models and their versions."""

from pydantic import Field

from kafkaml.schemas.base import (
    Id,
    Name,
    Notice,
    Request,
    Resource,
    Source,
    Text,
    Time,
    example,
)
from kafkaml.schemas.states import ModelVersionState

EXAMPLE_SOURCE = """\
import keras

model = keras.Sequential([
    keras.Input((8, 8)),
    keras.layers.Flatten(),
    keras.layers.Dense(64, activation="relu"),
    keras.layers.Dense(10, activation="softmax"),
])
model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
"""


class ModelCreate(Request):
    """A model: Python source that binds a compiled Keras model to `model`."""

    name: Name = Field(examples=["digits-dense"])
    description: Text = ""
    source: Source = Field(examples=[EXAMPLE_SOURCE])


class ModelUpdate(Request):
    """What may change without a new version."""

    model_config = example({"description": "Two dense layers"})

    name: Name | None = None
    description: Text | None = None


class ModelVersionCreate(Request):
    """A new source; the earlier versions stay as they are."""

    source: Source = Field(examples=[EXAMPLE_SOURCE])


class ModelCheck(Resource):
    """What building the model showed.

    Shapes leave out the batch axis; several inputs or outputs have one shape each.
    """

    summary: str
    input_shapes: list[list[int | None]]
    output_shapes: list[list[int | None]]
    parameter_count: int
    loss: str | None = None
    metrics: list[str] = Field(default_factory=list)
    warnings: list[str] = Field(default_factory=list)


class ModelError(Resource):
    """Why a source gives no usable model."""

    message: str
    line: int | None = Field(default=None, description="line of the source, from 1")


class ModelVersion(Resource):
    """One immutable version of a model's source."""

    number: int
    state: ModelVersionState
    source: str
    notice: Notice = None
    check: ModelCheck | None = None
    error: ModelError | None = None
    created_at: Time


class Model(Resource):
    """A named model with its newest version."""

    id: Id
    name: str
    description: str
    version: ModelVersion
    created_at: Time
