"""A record that did not come from Kafka."""

from typing import Any

from inferencer.record import Headers

TOPIC = "http"


class AskedRecord:
    """A record of a request; its offset is its place there."""

    def __init__(self, value: bytes, place: int) -> None:
        self._value = value
        self._place = place

    def error(self) -> Any:
        return None

    def topic(self) -> str:
        return TOPIC

    def partition(self) -> int:
        return 0

    def offset(self) -> int:
        return self._place

    def key(self) -> bytes | None:
        return None

    def value(self) -> bytes:
        return self._value

    def headers(self) -> Headers | None:
        return None

    def timestamp(self) -> tuple[int, int]:
        return 0, 0
