"""Dead letters of an inference."""

from functools import partial
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Path, Query, status

from api.dependencies import DeadLetters, OnlyOnce
from api.handlers.paths import PathId
from api.permissions import MAY_EDIT, MAY_VIEW
from kafkaml.schemas.base import Page, Time
from kafkaml.schemas.dead_letters import (
    DeadLetter,
    DeadLettersSend,
    DeadLettersSent,
    FilterText,
    LetterFilter,
    LetterPlace,
    Offset,
    PartitionNumber,
)

router = APIRouter(prefix="/inferences/{inference_id}/dead-letters", tags=["inferences"])


async def get_filter(
    stage: Annotated[FilterText | None, Query(examples=["decode"])] = None,
    reason: Annotated[FilterText | None, Query(examples=["BadRecord"])] = None,
    since: Annotated[Time | None, Query()] = None,
    until: Annotated[Time | None, Query()] = None,
) -> LetterFilter:
    """Return which letters are asked for."""
    return LetterFilter(stage=stage, reason=reason, since=since, until=until)


async def get_place(
    partition: Annotated[PartitionNumber, Path()], offset: Annotated[Offset, Path()]
) -> LetterPlace:
    """Return which letter is asked for."""
    return LetterPlace(partition=partition, offset=offset)


@router.get(
    "",
    summary="List records that could not be answered",
    description="By the time of the record. A page may be short, or empty, although there "
    "are more: go on while there is a `next_cursor`. Long contents are cut.",
    dependencies=[MAY_VIEW],
)
async def list_dead_letters(
    inference_id: PathId,
    dead_letters: DeadLetters,
    wanted: Annotated[LetterFilter, Depends(get_filter)],
    limit: Annotated[int, Query(ge=1, le=100)] = 50,
    cursor: Annotated[
        str | None, Query(description="`next_cursor` of the page before")
    ] = None,
    order: Annotated[Literal["newest", "oldest"], Query(description="which first")] = (
        "newest"
    ),
) -> Page[DeadLetter]:
    return await dead_letters.page(
        inference_id,
        wanted,
        limit=limit,
        cursor=cursor,
        newest_first=order == "newest",
    )


@router.get(
    "/{partition}/{offset}",
    summary="Show a record that could not be answered",
    dependencies=[MAY_VIEW],
)
async def show_dead_letter(
    inference_id: PathId,
    place: Annotated[LetterPlace, Depends(get_place)],
    dead_letters: DeadLetters,
) -> DeadLetter:
    return await dead_letters.get(inference_id, place)


@router.post(
    "/send",
    status_code=status.HTTP_202_ACCEPTED,
    summary="Send records to the input topic again",
    description="With key, value, headers and timestamp that they had, and the header "
    "`kafkaml-resent`. A record is sent once: the others are counted as `already_sent`.",
    dependencies=[MAY_EDIT],
)
async def send_dead_letters(
    inference_id: PathId,
    body: DeadLettersSend,
    dead_letters: DeadLetters,
    once: OnlyOnce,
) -> DeadLettersSent:
    gathered = await dead_letters.gather(inference_id, body)  # before the transaction
    return await once.answer(
        DeadLettersSent, partial(dead_letters.send, inference_id, gathered)
    )
