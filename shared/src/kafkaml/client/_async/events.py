"""Live events."""

from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing
from http import HTTPMethod

from kafkaml.client._async._runtime import sleep
from kafkaml.client._async._session import AsyncSession
from kafkaml.client._calls import Call, pairs, place
from kafkaml.client._retries import FailedTryError
from kafkaml.client._server_sent import ServerSentMessage, ServerSentParser
from kafkaml.client._watching import SILENCE_SECONDS, WatchedEvent
from kafkaml.exceptions import ApiUnavailableError


class AsyncEvents:
    """What happens, while it happens."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def watch(
        self,
        *,
        subject: str | Iterable[str] | None = None,
        type: str | Iterable[str] | None = None,  # noqa: A002  what CloudEvents calls it
        last_event_id: str | None = None,
    ) -> AsyncGenerator[WatchedEvent]:
        """Yield events without an end: from now on, or after the cursor `last_event_id`.

        `subject` (such as `trainings/1`) and `type` (such as `training.progressed`) choose
        some; a list means any of these. A lost connection is opened anew after the last
        event, so that none is missed and none comes twice. Raise ApiUnavailableError if
        that does not succeed for as long as the client retries, ProblemError if the API
        refuses.
        """
        chosen = pairs({"subject": _several(subject), "type": _several(type)})
        cursor = last_event_id
        tries = self._session.tries(_listening(chosen, cursor))
        while True:
            try:
                async with aclosing(self._messages(_listening(chosen, cursor))) as messages:
                    async for message in messages:
                        tries.succeed()
                        cursor = message.id or cursor
                        if message.data is not None:
                            yield WatchedEvent.from_message(message)
            except FailedTryError as failure:
                pause = tries.pause_after(failure)
            await sleep(pause)

    async def _messages(self, call: Call) -> AsyncGenerator[ServerSentMessage]:
        parser = ServerSentParser()
        listening = self._session.listen(call, silence_seconds=SILENCE_SECONDS)
        async with aclosing(listening) as chunks:
            async for chunk in chunks:
                for message in parser.feed(chunk):
                    yield message
        raise FailedTryError(
            ApiUnavailableError("the event stream ended"), is_temporary=True
        )


def _several(choice: str | Iterable[str] | None) -> list[str]:
    if choice is None:
        return []
    return [choice] if isinstance(choice, str) else list(choice)


def _listening(chosen: tuple[tuple[str, str], ...], cursor: str | None) -> Call:
    headers = {"Accept": "text/event-stream"}
    if cursor is not None:
        headers["Last-Event-ID"] = cursor
    return Call(
        method=HTTPMethod.GET,
        path=place("events"),
        is_repeatable=True,
        query=chosen,
        headers=headers,
    )
