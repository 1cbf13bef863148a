"""The Docker engine: the only file that knows aiodocker, and the edge for its errors."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from datetime import timedelta
from typing import Any, Self

import aiohttp
from aiodocker import Docker, DockerError
from aiodocker.stream import Stream

from kafkaml.schemas.states import FailureReason
from orchestrator.exceptions import ExecutorError, StartRefusedError
from orchestrator.executors.docker.answers import Inspected, Listed, nanoseconds_of

CALL_TIMEOUT = timedelta(seconds=20)

# Lines come one by one: more of them keep the orchestrator busy for too long.
_LOG_LINES = 10_000


class Engine:
    """The calls of the engine that are needed here; all raise `ExecutorError` in time."""

    def __init__(self, docker: Docker, *, call_timeout: timedelta = CALL_TIMEOUT) -> None:
        self._docker = docker
        self._call_timeout = call_timeout

    @classmethod
    @asynccontextmanager
    async def connect(
        cls, *, call_timeout: timedelta = CALL_TIMEOUT
    ) -> AsyncIterator[Self]:
        """Find the engine as `docker` does; whether it answers shows later."""
        try:
            docker = Docker()
        except (AssertionError, DockerError, OSError, ValueError) as e:
            raise ExecutorError(
                "There is no Docker engine: mount /var/run/docker.sock, or set DOCKER_HOST."
            ) from e
        async with docker:
            yield cls(docker, call_timeout=call_timeout)

    async def list(
        self, labels: Mapping[str, str], *, name: str | None = None
    ) -> Sequence[Listed]:
        """Return the containers with these labels, in any state.

        `name` is a regular expression: only those whose name matches.
        """
        filters = {"label": [f"{key}={it}" for key, it in labels.items()]}
        if name is not None:
            filters["name"] = [name]
        async with self._asked("list containers"):
            found = await self._docker.containers.list(
                all=True, filters=json.dumps(filters)
            )
            return [Listed.from_answer(each) for each in found]

    async def inspect(self, container: str) -> Inspected | None:
        """Return what there is to know of a container; None if it is gone."""
        async with self._asked("inspect a container"):
            try:
                answer = await self._docker.containers.container(container).show()
            except DockerError as e:
                if e.status == 404:
                    return None
                raise
            return Inspected.from_answer(answer)

    async def create(self, name: str, config: Mapping[str, Any]) -> str | None:
        """Create a container and return its id; None if the name is taken.

        Raise `StartRefusedError` if that cannot change by itself.
        """
        async with self._asked(f"create the container {name}"):
            try:
                return (await self._docker.containers.create(dict(config), name=name)).id
            except DockerError as e:
                if e.status == 409:
                    return None
                _raise_refusal(e, image=str(config["Image"]))
                raise

    async def start(self, container: str) -> bool:
        """Start a container; False if it is gone, or about to be.

        Raise `StartRefusedError` if that cannot change by itself.
        """
        async with self._asked("start a container"):
            try:
                await self._docker.containers.container(container).start()
            except DockerError as e:
                if await self._is_going(container, e):
                    return False
                _raise_refusal(e)
                raise
            return True

    async def stop(self, container: str, grace: timedelta) -> None:
        """Let the engine send SIGTERM, and SIGKILL after `grace`; return when it ended.

        The engine goes on with that if nobody waits for its answer any more.
        """
        seconds = grace.total_seconds()
        async with self._asked("stop a container", more=grace):
            try:
                await self._docker.containers.container(container).stop(t=round(seconds))
            except DockerError as e:
                if e.status != 404:
                    raise

    async def remove(self, container: str) -> bool:
        """Remove a container and its volumes; False if it cannot be, for it runs."""
        async with self._asked("remove a container"):
            try:
                await self._docker.containers.container(container).delete(v=True)
            except DockerError as e:
                if not await self._is_going(container, e):
                    if e.status == 409:
                        return False
                    raise
            return True

    async def discard(self, container: str) -> None:
        """Kill a container, if it runs, and remove it."""
        async with self._asked("remove a container"):
            try:
                await self._docker.containers.container(container).delete(
                    force=True, v=True
                )
            except DockerError as e:
                if not await self._is_going(container, e):
                    raise

    async def rename(self, container: str, name: str) -> bool:
        """Give a container another name; False if the name is taken."""
        async with self._asked("rename a container"):
            try:
                await self._docker.containers.container(container).rename(name)
            except DockerError as e:
                if e.status == 409:
                    return False
                raise
            return True

    async def update(self, container: str, limits: Mapping[str, Any]) -> None:
        """Change what a container may use."""
        async with self._asked("change the limits of a container"):
            await self._docker._query_json(  # noqa: SLF001 - there is no other way to ask
                f"containers/{container}/update", method="POST", data=dict(limits)
            )

    async def open_input(self, container: str) -> "Input":
        """Hold the standard input of a container, which is to be started later."""
        stream = self._docker.containers.container(container).attach(stdin=True)
        async with self._asked("open the input of a container"):
            try:
                return Input(await stream.__aenter__(), call_timeout=self._call_timeout)
            except BaseException:
                await stream.close()
                raise

    async def log(self, container: str, *, lines: int = _LOG_LINES) -> bytes | None:
        """Return the newest lines of both streams; None if the container is gone."""
        async with self._asked("read a log"):
            return await self._read_log(container, tail=lines)

    async def newest_line_at(self, container: str) -> int:
        """Return when the newest line was written, in nanoseconds; 0 if there is none."""
        async with self._asked("read a log"):
            newest = await self._read_log(container, tail=1, timestamps=True)
            return nanoseconds_of(newest.partition(b" ")[0].decode()) if newest else 0

    async def _read_log(self, container: str, **options: Any) -> bytes | None:
        found = self._docker.containers.container(container)
        try:
            pieces = await found.log(stdout=True, stderr=True, follow=False, **options)
        except DockerError as e:
            if e.status == 404:
                return None
            raise
        return "".join(pieces).encode()

    async def _is_going(self, container: str, error: DockerError) -> bool:
        """Tell whether a call failed because the container is gone, or being removed."""
        if error.status not in {404, 409}:
            return False
        seen = await self.inspect(container)
        return seen is None or seen.state == "removing"

    def _asked(
        self, what: str, *, more: timedelta = timedelta()
    ) -> AbstractAsyncContextManager[None]:
        return _asked(what, self._call_timeout + more)


class Input:
    """The standard input of a container. It is closed with this, or with this process."""

    def __init__(self, stream: Stream, *, call_timeout: timedelta) -> None:
        self._stream = stream
        self._call_timeout = call_timeout

    async def write(self, content: bytes) -> None:
        """Write all of it, on its way at least; raise `ExecutorError`."""
        async with _asked("take an input", self._call_timeout):
            await self._stream.write_in(content)

    async def close(self) -> None:
        """Close it; a second call does nothing."""
        with suppress(*_NONSENSE):
            await self._stream.close()


# aiodocker asserts that a connection is still there.
_NONSENSE = (
    *(aiohttp.ClientError, OSError, ValueError, TypeError, LookupError),
    *(AssertionError, RuntimeError),
)


@asynccontextmanager
async def _asked(what: str, limit: timedelta) -> AsyncIterator[None]:
    seconds = limit.total_seconds()
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError as e:
        raise ExecutorError(
            f"Docker did not {what}: no answer within {seconds:g} s."
        ) from e
    except DockerError as e:
        raise ExecutorError(f"Docker did not {what}: {e.message}") from e
    except _NONSENSE as e:
        raise ExecutorError(
            f"Docker did not {what}: its answer makes no sense ({e!r})."
        ) from e


def _raise_refusal(error: DockerError, *, image: str = "") -> None:
    """Raise what no later try can change, as far as the engine's words tell."""
    message = str(error.message)
    if error.status == 404 and "no such image" in message.lower():
        raise StartRefusedError(
            f"Docker has no image {image}. Pull or build it, or set "
            "KAFKA_ML_TRAINER_IMAGE or KAFKA_ML_INFERENCER_IMAGE to one that is there.",
            reason=FailureReason.IMAGE,
        ) from error
    if "range of cpus" in message.lower() or "device driver" in message.lower():
        raise StartRefusedError(
            f"The machine lacks what its resources ask for: {message}.",
            reason=FailureReason.UNSCHEDULABLE,
        ) from error
