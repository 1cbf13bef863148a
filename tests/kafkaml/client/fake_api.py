"""An API that follows a script, without a network."""

from typing import Any

import httpx

from tests.kafkaml.client.examples import problem


class FakeApi(httpx.MockTransport):
    """Answers the calls one after the other, or fails them; keeps what was asked."""

    def __init__(self, *script: httpx.Response | Exception) -> None:
        super().__init__(self._answer)
        self._script = list(script)
        self.requests: list[httpx.Request] = []

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        step = self._script.pop(0)
        if isinstance(step, Exception):
            raise step
        return step

    @property
    def last(self) -> httpx.Request:
        return self.requests[-1]


def answer(document: Any, status: int = 200) -> httpx.Response:
    return httpx.Response(status, json=document)


def refusal(code: str, status: int, **headers: str) -> httpx.Response:
    return httpx.Response(
        status,
        json=problem(code, status),
        headers={"Content-Type": "application/problem+json", **headers},
    )
