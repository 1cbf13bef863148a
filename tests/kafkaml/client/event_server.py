"""An application that streams numbered events and loses connections on the way."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Annotated

from fastapi import FastAPI, Header, Query
from fastapi.responses import StreamingResponse

from kafkaml.events import CloudEvent, TrainingProgressed

COUNT = 9


@dataclass
class EventServer:
    """Ends the first connection inside event 4 by a cut, the second after 6 in order."""

    resumed_after: list[str | None] = field(default_factory=list)
    subjects: list[str] = field(default_factory=list)

    def app(self) -> FastAPI:
        app = FastAPI()

        @app.get("/api/v1/events")
        async def events(
            subject: Annotated[list[str], Query()],
            last_event_id: Annotated[str | None, Header()] = None,
        ) -> StreamingResponse:
            self.subjects = subject
            self.resumed_after.append(last_event_id)
            start = int(last_event_id or 0) + 1
            stream = self._stream(start, len(self.resumed_after))
            return StreamingResponse(stream, media_type="text/event-stream")

        return app

    @staticmethod
    async def _stream(start: int, connection: int) -> AsyncIterator[bytes]:
        yield b": welcome\n\n"
        for number in range(start, COUNT + 1):
            message = _message(number)
            if connection == 1 and number == 4:
                yield message[:-30]
                raise ConnectionAbortedError
            if connection == 2 and number == 7:
                return
            yield message


def _message(number: int) -> bytes:
    event = CloudEvent.of(
        TrainingProgressed(
            id=1, deployment_id=1, attempt=1, epoch=number, epochs=COUNT, values={}
        )
    )
    head = f"id: {number}\nevent: {event.type}\ndata: ".encode()
    return head + event.to_structured() + b"\n\n"
