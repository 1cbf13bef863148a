"""What a model takes and gives, and what it came from; it travels inside its file.

Like the profile of its data it is a member of the `.keras` file, a zip archive, so that
whoever has the model can tell what to send it, and how to train it again.
"""

from pathlib import Path
from typing import Any
from zipfile import BadZipFile, ZipFile

from pydantic import Field, ValidationError

from kafkaml.exceptions import FormatError
from kafkaml.schemas.base import Resource
from kafkaml.schemas.deployments import TrainingParameters
from kafkaml.schemas.trainings import SplitCounts

DESCRIPTION_MEMBER = "kafkaml/description.json"
MAX_DESCRIPTION_BYTES = 16 * 2**20


class TensorSignature(Resource):
    """What a record is to a model, or what it answers to one: without the batch axis."""

    name: str
    dtype: str = Field(description="as NumPy names it, or `string`")
    shape: list[int | None] = Field(description="null where any size will do")


class ModelDescription(Resource):
    """A trained model: its signature, and all that decided about its weights."""

    training_id: int
    attempt: int
    input: TensorSignature | None = Field(description="null if the model does not tell")
    output: TensorSignature | None = Field(description="null if the model does not tell")
    stream: dict[str, Any] = Field(
        description="the control message: ranges of the log, and how records are decoded"
    )
    counts: SplitCounts
    parameters: TrainingParameters = Field(description="of the deployment, seed included")
    versions: dict[str, str] = Field(description="of Python and the libraries used")


def read_description(artifact: Path) -> ModelDescription | None:
    """Return the description inside a `.keras` file, None if it has none.

    Raise FormatError if the file is no artifact, or its description cannot be read.
    """
    try:
        with ZipFile(artifact) as archive:
            if DESCRIPTION_MEMBER not in archive.namelist():
                return None
            with archive.open(DESCRIPTION_MEMBER) as member:
                content = member.read(MAX_DESCRIPTION_BYTES)
        return ModelDescription.model_validate_json(content)
    except (BadZipFile, ValidationError, NotImplementedError, RuntimeError) as e:
        raise FormatError(f"{artifact.name} has no readable description: {e!s:.300}") from e
