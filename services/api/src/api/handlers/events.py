"""Live events (Server-Sent Events)."""

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Depends, Header, Query
from fastapi.sse import EventSourceResponse, ServerSentEvent
from pydantic import AfterValidator, StringConstraints

from api.dependencies import get_event_stream
from api.permissions import MAY_VIEW
from api.services.event_cursor import EventCursor
from api.services.event_stream import EventStream
from api.services.event_subscription import Delivery, EventFilter
from kafkaml.events import EVENT_TYPES

RECONNECT_MS = 2000
MAX_FILTERS = 100

router = APIRouter(prefix="/events", tags=["events"], dependencies=[MAY_VIEW])


def _check_type(name: str) -> str:
    if name not in EVENT_TYPES:
        raise ValueError(f"no event has this type; known are {', '.join(EVENT_TYPES)}")
    return name


EventType = Annotated[str, AfterValidator(_check_type)]
Subject = Annotated[str, StringConstraints(pattern=r"^[a-z-]{1,40}/[0-9]{1,19}$")]


async def open_deliveries(
    stream: Annotated[EventStream, Depends(get_event_stream)],
    subjects: Annotated[
        list[Subject] | None,
        Query(
            alias="subject",
            max_length=MAX_FILTERS,
            description="only events about these, such as `trainings/1`",
        ),
    ] = None,
    types: Annotated[
        list[EventType] | None,
        Query(
            alias="type",
            max_length=MAX_FILTERS,
            description="only events of these types, such as `training.progressed`",
        ),
    ] = None,
    last_event_id: Annotated[
        str | None,
        Header(description="resume after the event with this id"),
    ] = None,
) -> AsyncIterator[AsyncIterator[Delivery]]:
    """Subscribe while the response lasts; what is wrong is answered before it begins."""
    after = EventCursor.from_text(last_event_id) if last_event_id else None
    event_filter = EventFilter(frozenset(subjects or ()), frozenset(types or ()))
    async with stream.open(event_filter, after=after) as deliveries:
        yield deliveries


@router.get("", response_class=EventSourceResponse, summary="Follow what happens")
async def stream_events(
    deliveries: Annotated[AsyncIterator[Delivery], Depends(open_deliveries)],
) -> AsyncIterator[ServerSentEvent]:
    """Send events as they happen, as Server-Sent Events.

    `id` is where to resume, `event` the type, and `data` the CloudEvent as JSON. The stream
    ends after an hour, or when its reader is too slow: connect again with the header
    `Last-Event-ID` and nothing is missed. An event is a wake-up: read the truth from the
    resource that it is about.
    """
    yield ServerSentEvent(comment="connected", retry=RECONNECT_MS)
    async for each in deliveries:
        yield _message(each)


def _message(delivery: Delivery) -> ServerSentEvent:
    if delivery.event is None:
        return ServerSentEvent(id=str(delivery.cursor))
    return ServerSentEvent(
        id=str(delivery.cursor), event=delivery.event.type, raw_data=delivery.event.text
    )
