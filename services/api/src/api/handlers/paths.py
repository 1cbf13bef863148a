"""Parameters in paths."""

from typing import Annotated

from fastapi import Path, Query

from kafkaml.control import MAX_ID

MAX_INTEGER = 2**31 - 1

PathId = Annotated[int, Path(ge=1, le=MAX_ID, examples=[1])]
PathNumber = Annotated[int, Path(ge=1, le=MAX_INTEGER, examples=[1])]
PathReplica = Annotated[int, Path(ge=0, le=MAX_INTEGER, examples=[0])]
AttemptQuery = Annotated[
    int | None, Query(ge=1, le=MAX_INTEGER, description="by default the present attempt")
]
