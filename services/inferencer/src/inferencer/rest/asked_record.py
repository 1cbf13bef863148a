"""A record that did not come from Kafka."""

from typing import Any

from inferencer.record import Headers

TOPIC = "http"


class AskedRecord:
    """A record of a request; its offset is its place there.

    `request` tells it from those at the same place of other requests, so that a canary
    answers its share of them, too.
    """

    def __init__(self, value: bytes, place: int, request: int) -> None:
        self._value = value
        self._place = place
        self._request = request

    def error(self) -> Any:
        return None

    def topic(self) -> str:
        return TOPIC

    def partition(self) -> int:
        return self._request

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
