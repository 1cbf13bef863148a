"""The wire format of server-sent events (HTML standard, section 9.2), without any I/O."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from kafkaml.exceptions import ClientError

MAX_MESSAGE_BYTES = 16 * 1024 * 1024

_LINE_END = re.compile(rb"\r\n|\r|\n")


@dataclass(frozen=True, slots=True)
class ServerSentMessage:
    """One message; `id` is the last one that the stream named, "" if none.

    A message without data only tells where the stream is.
    """

    id: str
    data: str | None


class ServerSentParser:
    """Cuts a byte stream into messages.

    What is not finished by an empty line is no message yet: cut off, it is dropped.
    """

    def __init__(self) -> None:
        self._rest = b""
        self._ended_with_return = False
        self._data: list[str] = []
        self._id = ""
        self._id_is_new = False
        self._size = 0

    def feed(self, chunk: bytes) -> Iterator[ServerSentMessage]:
        """Yield the messages that this chunk completes."""
        for line in self._lines(chunk):
            if line:
                self._read_field(line)
                continue
            if self._data or self._id_is_new:
                data = "\n".join(self._data) if self._data else None
                yield ServerSentMessage(self._id, data)
            self._data = []
            self._id_is_new = False
            self._size = 0

    def _lines(self, chunk: bytes) -> list[bytes]:
        # Bytes are split, not text: text also has line ends that SSE does not know.
        if self._ended_with_return:
            chunk = chunk.removeprefix(b"\n")
        self._ended_with_return = chunk.endswith(b"\r")
        self._size += len(chunk)
        if self._size > MAX_MESSAGE_BYTES:
            raise ClientError(f"an event is larger than {MAX_MESSAGE_BYTES} bytes")
        *lines, self._rest = _LINE_END.split(self._rest + chunk)
        return lines

    def _read_field(self, line: bytes) -> None:
        name, _, value = line.decode(errors="replace").partition(":")
        value = value.removeprefix(" ")
        if name == "data":
            self._data.append(value)
        elif name == "id" and "\0" not in value:
            self._id = value
            self._id_is_new = True
