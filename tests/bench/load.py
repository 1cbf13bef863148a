"""A small HTTP/1.1 load generator over keep-alive connections, cheap in CPU."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit


@dataclass(frozen=True)
class LoadResult:
    """What a run of requests measured."""

    requests_per_second: float
    p50_ms: float
    p99_ms: float


def post(url: str, path: str, body: bytes, headers: dict[str, str]) -> bytes:
    """Return a POST request as bytes."""
    lines = [f"POST {path} HTTP/1.1", f"Host: {urlsplit(url).netloc}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    lines += ["Content-Type: application/json", f"Content-Length: {len(body)}", "", ""]
    return "\r\n".join(lines).encode() + body


async def run_load(
    url: str, request: Callable[[int], bytes], *, count: int, connections: int
) -> LoadResult:
    """Send `count` requests; raise RuntimeError unless each is answered by 201."""
    numbers = iter(range(count))
    seconds: list[float] = []

    async def connection() -> None:
        parts = urlsplit(url)
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        for number in numbers:
            started = time.perf_counter()
            writer.write(request(number))
            await _read_created(reader)
            seconds.append(time.perf_counter() - started)
        writer.close()
        await writer.wait_closed()

    started = time.perf_counter()
    async with asyncio.timeout(120):
        await asyncio.gather(*(connection() for _ in range(connections)))
    total = time.perf_counter() - started
    seconds.sort()
    return LoadResult(
        requests_per_second=count / total,
        p50_ms=1000 * seconds[len(seconds) // 2],
        p99_ms=1000 * seconds[int(len(seconds) * 0.99)],
    )


async def _read_created(reader: asyncio.StreamReader) -> None:
    head = await reader.readuntil(b"\r\n\r\n")
    lines = head.decode().lower().split("\r\n")
    length = next(int(x.split(":")[1]) for x in lines if x.startswith("content-length"))
    body = await reader.readexactly(length)
    if " 201 " not in lines[0] + " ":
        raise RuntimeError(f"{lines[0]}: {body.decode()[:300]}")
