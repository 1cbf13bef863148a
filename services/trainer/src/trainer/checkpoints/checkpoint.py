"""How far a fit has come, as one file with all that is needed to go on.

The file is `MAGIC`, the SHA-256 of the rest, the length of the header, the header as JSON,
and the arrays, one after the other as they lie in memory. Nothing in it is ever executed.
"""

import hashlib
import os
from dataclasses import dataclass, field
from math import prod
from pathlib import Path
from typing import Annotated, Any, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from trainer.exceptions import CheckpointError
from trainer.messages import Metrics

MAGIC = b"KAFKAML-CHECKPOINT-1"
_DIGEST_BYTES = 32
_LENGTH_BYTES = 8
_START = len(MAGIC) + _DIGEST_BYTES

Arrays = list[NDArray[Any]]


class Position(BaseModel):
    """What is done of a fit: epochs, and batches of the next one."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    epochs: int = Field(ge=0)
    steps: int = Field(ge=0)


class ArrayShape(BaseModel):
    """What the bytes of an array mean."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    dtype: str
    shape: list[Annotated[int, Field(ge=0)]]

    @classmethod
    def of(cls, array: NDArray[Any]) -> Self:
        return cls(dtype=array.dtype.name, shape=list(array.shape))


class GroupShapes(BaseModel):
    """What arrays there are, in this order."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    weights: list[ArrayShape]
    optimizers: list[ArrayShape]
    metrics: list[ArrayShape]
    seed_generator: list[ArrayShape]
    best_weights: list[ArrayShape]
    records: list[ArrayShape] = Field(default_factory=list)


_GROUPS = tuple(GroupShapes.model_fields)


class StreamPosition(BaseModel):
    """How far a stream without an end was read, and what was done with its records.

    `starts` and `positions` hold the first and the next offset of each partition,
    `published` the epoch whose model was published last.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    starts: dict[int, int] = Field(default_factory=dict)
    positions: dict[int, int] = Field(default_factory=dict)
    updates: int = Field(default=0, ge=0)
    records: int = Field(default=0, ge=0)
    held_back: int = Field(default=0, ge=0)
    replay_seen: int = Field(default=0, ge=0)
    improvements: int = Field(default=0, ge=0)
    published: int | None = None


class CheckpointHeader(BaseModel):
    """All of a checkpoint but its arrays.

    `identity` says which fit it belongs to. `folds` has the metrics of the folds that are
    measured, `epochs` those of each epoch of the present fit, `reports` the same as they
    were told.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="constants")

    identity: str
    attempt: int
    position: Position
    folds: list[Metrics]
    epochs: list[Metrics]
    reports: list[Metrics]
    callbacks: list[dict[str, float | None]]
    random: list[Any]
    shapes: GroupShapes
    stream: StreamPosition | None = None


@dataclass(frozen=True, slots=True)
class Groups:
    """The arrays of a checkpoint, by what they are for.

    `weights` are those of the model with its states and its optimizer, `optimizers` those
    of optimizers that it has besides. `records` are those of a stream without an end that
    are trained on again, and those that measure it: features and labels of each.
    """

    weights: Arrays
    optimizers: Arrays
    metrics: Arrays
    seed_generator: Arrays
    best_weights: Arrays
    records: Arrays = field(default_factory=list)

    @property
    def all(self) -> Arrays:
        return [array for name in _GROUPS for array in getattr(self, name)]

    @property
    def size_bytes(self) -> int:
        return sum(array.nbytes for array in self.all)

    @property
    def shapes(self) -> GroupShapes:
        return GroupShapes(
            **{
                name: [ArrayShape.of(each) for each in getattr(self, name)]
                for name in _GROUPS
            }
        )

    @classmethod
    def read(cls, shapes: GroupShapes, content: memoryview) -> Self:
        """View bytes as arrays; raise CheckpointError if there are more or fewer."""
        reader = _ArrayReader(content)
        groups = cls(**{name: reader.read(getattr(shapes, name)) for name in _GROUPS})
        reader.check_end()
        return groups


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A header and its arrays."""

    header: CheckpointHeader
    groups: Groups

    def write(self, path: Path) -> None:
        """Write the file so that it appears whole, and survives what happens then."""
        parts = self._parts()
        digest = hashlib.sha256()
        for part in parts:
            digest.update(part)
        partial = path.with_name(f"{path.name}.part")
        try:
            with partial.open("wb") as file:
                for part in (MAGIC, digest.digest(), *parts):
                    file.write(part)
                file.flush()
                os.fsync(file.fileno())
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)
        _sync_folder(path.parent)

    @classmethod
    def read(cls, path: Path, *, identity: str) -> Self:
        """Read a file; raise CheckpointError if it is damaged or of another fit."""
        content = path.read_bytes()
        body = memoryview(content)[_START:]
        stored = content[len(MAGIC) : _START]
        if content[: len(MAGIC)] != MAGIC or hashlib.sha256(body).digest() != stored:
            raise CheckpointError("the file is damaged")
        end = _LENGTH_BYTES + int.from_bytes(body[:_LENGTH_BYTES], "big")
        try:
            header = CheckpointHeader.model_validate_json(bytes(body[_LENGTH_BYTES:end]))
            groups = Groups.read(header.shapes, body[end:])
        except (ValidationError, ValueError, TypeError) as e:
            raise CheckpointError(f"the file is not understood: {e!s:.300}") from e
        if header.identity != identity:
            raise CheckpointError(
                "it belongs to another source, other parameters or another stream"
            )
        return cls(header, groups)

    def _parts(self) -> list[bytes | memoryview]:
        header = self.header.model_dump_json().encode()
        return [
            len(header).to_bytes(_LENGTH_BYTES, "big"),
            header,
            *(_bytes_of(each) for each in self.groups.all),
        ]


class _ArrayReader:
    """Takes arrays from the front of some bytes, without copying them."""

    def __init__(self, content: memoryview) -> None:
        self._content = content
        self._start = 0

    def read(self, shapes: list[ArrayShape]) -> Arrays:
        return [self._read(each) for each in shapes]

    def check_end(self) -> None:
        if self._start != len(self._content):
            raise CheckpointError(
                f"the arrays have {len(self._content)} bytes instead of {self._start}"
            )

    def _read(self, wanted: ArrayShape) -> NDArray[Any]:
        dtype = np.dtype(wanted.dtype)
        if dtype.hasobject:
            raise CheckpointError(f"an array cannot hold {wanted.dtype}")
        end = self._start + prod(wanted.shape) * dtype.itemsize
        found = np.frombuffer(self._content[self._start : end], dtype)
        self._start = end
        return found.reshape(wanted.shape)


def _bytes_of(array: NDArray[Any]) -> memoryview:
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8).data


def _sync_folder(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
