"""Calls of replicas: the one file that knows httpx, and the edge for its errors."""

from http import HTTPStatus

import httpx
import orjson

from api.exceptions import ReplicaFailedError, ValidationFailedError

MAX_ANSWER_BYTES = 64 * 1024 * 1024
_TIMEOUT = httpx.Timeout(30, connect=2, pool=5)
# A replica closes what is silent for 15 s, so no call meets a connection that is closed.
_LIMITS = httpx.Limits(max_connections=200, keepalive_expiry=5)


class ReplicaCaller:
    """Asks replicas over plain HTTP, by connections that are kept for the next call.

    No redirects are followed, and no proxies used: an address leads to it, or nowhere.
    """

    def __init__(self) -> None:
        self._http = httpx.AsyncClient(
            timeout=_TIMEOUT,
            transport=httpx.AsyncHTTPTransport(
                verify=False,  # plain HTTP needs no certificates, which take long to load
                limits=_LIMITS,
                trust_env=False,
            ),
            trust_env=False,
        )

    async def ask(self, address: str, *, key: str, body: bytes) -> bytes:
        """Return the answer of the replica at `host:port`, a Prediction in JSON.

        Raise ReplicaFailedError if another one may answer, ValidationFailedError if none
        would.
        """
        headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
        try:
            async with self._http.stream(
                "POST", f"http://{address}/records", content=body, headers=headers
            ) as response:
                answer = await _read(response)
        except (httpx.HTTPError, httpx.InvalidURL) as e:
            raise ReplicaFailedError(f"{address}: {e or type(e).__name__}") from e
        if response.status_code == HTTPStatus.OK:
            return answer
        if response.status_code == HTTPStatus.BAD_REQUEST:
            raise ValidationFailedError.at("body", _error_of(answer))
        raise ReplicaFailedError(f"{address}: {response.status_code} {_error_of(answer)}")

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()


async def _read(response: httpx.Response) -> bytes:
    parts: list[bytes] = []
    size = 0
    async for part in response.aiter_bytes():
        size += len(part)
        if size > MAX_ANSWER_BYTES:
            raise ReplicaFailedError(f"its answer has more than {MAX_ANSWER_BYTES} bytes")
        parts.append(part)
    return b"".join(parts)


def _error_of(answer: bytes) -> str:
    try:
        return str(orjson.loads(answer)["error"])[:1000]
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return "without a reason"
