"""What the records were like that a model was trained on; it travels inside its file.

An artifact is a `.keras` file, which is a zip archive: the profile is one more member of
it, so that whoever has the model has the profile, and nobody else has to carry it.
"""

from pathlib import Path
from zipfile import BadZipFile, ZipFile

from pydantic import Field, ValidationError

from kafkaml.exceptions import FormatError
from kafkaml.schemas.base import Resource
from kafkaml.schemas.results import Percentiles

PROFILE_MEMBER = "kafkaml/profile.json"
HISTOGRAM_BINS = 16
MAX_FEATURES = 1024
MAX_PROFILE_BYTES = 16 * 2**20


class ValueProfile(Resource):
    """How values are distributed; null where no value is finite.

    All is to six digits but minimum and maximum, which say where the bins are.
    """

    count: int = Field(description="finite values")
    missing: int = Field(description="values that are not finite")
    mean: float | None
    deviation: float | None = Field(description="standard deviation")
    minimum: float | None
    maximum: float | None
    percentiles: Percentiles
    histogram: list[int] = Field(
        description="counts in 16 bins of equal width from minimum to maximum"
    )


class DataProfile(Resource):
    """The training records and their labels."""

    records: int
    profiled: int = Field(description="records looked at, evenly spread over all")
    shape: list[int] = Field(description="of one record")
    overall: ValueProfile | None = Field(description="null if records are no numbers")
    features: list[ValueProfile] = Field(
        description="each value of a record, flattened; empty for more than 1,024"
    )
    classes: dict[str, int] | None = Field(description="records of each class")
    labels: list[ValueProfile] = Field(
        description="each value of a label, where labels are no classes"
    )


def read_profile(artifact: Path) -> DataProfile | None:
    """Return the profile inside an artifact, None if it has none.

    Raise FormatError if the file is no artifact, or its profile cannot be read.
    """
    try:
        with ZipFile(artifact) as archive:
            if PROFILE_MEMBER not in archive.namelist():
                return None
            with archive.open(PROFILE_MEMBER) as member:
                content = member.read(MAX_PROFILE_BYTES)
        return DataProfile.model_validate_json(content)
    except (BadZipFile, ValidationError, NotImplementedError, RuntimeError) as e:
        raise FormatError(f"{artifact.name} has no readable profile: {e!s:.300}") from e
