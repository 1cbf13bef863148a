"""The LiteRT export of a model: a zip of one file for each batch size, and a manifest."""

import math
import shutil
import zipfile
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import BaseModel, Field, ValidationError

from inferencer.engines.equality import allowed_difference
from inferencer.exceptions import ExportDamagedError, ExportUnequalError

MANIFEST = "manifest.json"
MANIFEST_BYTES = 1_000_000


class TensorDescription(BaseModel):
    """What a record is, or an answer: without the axis of the batch."""

    name: str
    dtype: str
    shape: list[Annotated[int, Field(ge=1)]]

    def to_dtype(self) -> "np.dtype[Any]":
        """Return the type of the numbers; raise ExportDamagedError."""
        try:
            return np.dtype(self.dtype)
        except TypeError as e:
            raise ExportDamagedError(f"its manifest names a type {self.dtype!r}") from e


class Manifest(BaseModel):
    """What the files of an export hold, and how far their answers are from Keras'."""

    batch_sizes: list[Annotated[int, Field(ge=1, le=65_536)]] = Field(
        min_length=1, max_length=16
    )
    input: TensorDescription
    output: TensorDescription
    max_difference: dict[int, float | None]
    largest_output: float = Field(
        default=1.0, ge=0, description="of Keras, on the records that were compared"
    )

    def check_equality(self) -> None:
        """Raise ExportUnequalError unless every size gave Keras' answers."""
        allowed = allowed_difference(self.largest_output)
        for size in self.batch_sizes:
            difference = self.max_difference.get(size)
            # A number that is not finite was not compared, or was no number in one of both.
            if difference is None or not math.isfinite(difference):
                raise ExportUnequalError(f"its answers to {size} records were not compared")
            if difference > allowed:
                raise ExportUnequalError(
                    f"its answers to {size} records differ from Keras' by "
                    f"{difference:.2g}, more than {allowed:.2g}"
                )


def unpack_export(archive: Path, folder: Path) -> tuple[Manifest, dict[int, Path]]:
    """Return the manifest and the file of each batch size, written to `folder`.

    Raise ExportDamagedError if something is missing or is not what it should be.
    """
    try:
        with zipfile.ZipFile(archive) as zipped:
            manifest = _manifest_of(zipped)
            files = {
                size: _extract(zipped, f"batch-{size}.tflite", folder)
                for size in sorted(set(manifest.batch_sizes))
            }
    except (zipfile.BadZipFile, OSError, NotImplementedError, EOFError) as e:
        raise ExportDamagedError(f"it cannot be unpacked: {e}") from e
    return manifest, files


def _manifest_of(zipped: zipfile.ZipFile) -> Manifest:
    info = _member(zipped, MANIFEST)
    if info.file_size > MANIFEST_BYTES:
        raise ExportDamagedError(f"its {MANIFEST} has {info.file_size} bytes")
    try:
        return Manifest.model_validate_json(zipped.read(info))
    except ValidationError as e:
        first = e.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise ExportDamagedError(
            f"its {MANIFEST} is wrong at {place}: {first['msg']}"
        ) from e


def _extract(zipped: zipfile.ZipFile, name: str, folder: Path) -> Path:
    path = folder / name
    with zipped.open(_member(zipped, name)) as packed, path.open("wb") as file:
        shutil.copyfileobj(packed, file, 2**20)
    return path


def _member(zipped: zipfile.ZipFile, name: str) -> zipfile.ZipInfo:
    try:
        info = zipped.getinfo(name)
    except KeyError as e:
        raise ExportDamagedError(f"it has no {name}") from e
    if info.compress_type != zipfile.ZIP_STORED:
        # What is stored cannot be larger than the archive, whose size is known.
        raise ExportDamagedError(f"its {name} is compressed")
    return info
