"""A Docker engine in memory, behind a socket as the real one, with faults."""

import asyncio
import json
import re
import struct
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from aiohttp import web

Call = Literal[
    "list",
    "inspect",
    "create",
    "start",
    "stop",
    "remove",
    "log",
    "attach",
    "rename",
    "update",
]
Fault = (
    Literal[
        "hang",
        "refuse",
        "nonsense",
        "break off",
        "lose the answer",
        "vanish",  # somebody takes the container away before the call is served
        "removing",  # somebody is about to
    ]
    | int  # the status of the answer
)

CALLS: tuple[Call, ...] = ("list", "inspect", "create", "start", "stop", "remove", "log")
CALLS_OF_SPARES: tuple[Call, ...] = ("attach", "rename", "update")
TIME = "2030-01-01T00:00:00.123456789Z"
NO_TIME = "0001-01-01T00:00:00Z"
NO_IMAGE = "kafka-ml/none:1"

_UPGRADE = {"Connection": "Upgrade", "Upgrade": "tcp"}

_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Refusal(Exception):  # noqa: N818 - an answer, not a failure of the fake
    """An answer with a status that says no."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


@dataclass
class FakeContainer:
    id: str
    name: str
    config: dict[str, Any]
    status: str = "created"
    exit_code: int = 0
    log: bytes = b"ready\n"
    image: str = ""
    inputs: list[bytes] = field(default_factory=list)

    @property
    def order(self) -> dict[str, Any]:
        """What a spare was told; it has to be one order."""
        [line] = self.inputs
        found: dict[str, Any] = json.loads(line)
        return found

    def close_input(self, content: bytes) -> None:
        """Do what a trainer does that waits for its order."""
        if content.endswith(b"\n"):
            self.inputs.append(content)
        elif self.status == "running":
            self.status, self.exit_code = "exited", 75


@dataclass
class FakeDocker:
    """`faults` says what becomes of the next calls; each is used up once."""

    url: str
    containers: dict[str, FakeContainer] = field(default_factory=dict)
    faults: dict[Call, list[Fault]] = field(default_factory=dict)
    calls: list[Call] = field(default_factory=list)
    closing: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def only(self) -> FakeContainer:
        [container] = self.containers.values()
        return container

    def end(self, exit_code: int) -> None:
        """Let the only container end."""
        self.only.status, self.only.exit_code = "exited", exit_code

    def application(self) -> web.Application:
        application = web.Application()
        application.router.add_get("/version", self._version)
        routes: list[tuple[Call, str, str, _Handler]] = [
            ("list", "GET", "/containers/json", self._list),
            ("create", "POST", "/containers/create", self._create),
            ("inspect", "GET", "/containers/{id}/json", self._inspect),
            ("start", "POST", "/containers/{id}/start", self._start),
            ("stop", "POST", "/containers/{id}/stop", self._stop),
            ("log", "GET", "/containers/{id}/logs", self._log),
            ("remove", "DELETE", "/containers/{id}", self._remove),
            ("attach", "POST", "/containers/{id}/attach", self._attach),
            ("rename", "POST", "/containers/{id}/rename", self._rename),
            ("update", "POST", "/containers/{id}/update", self._update),
        ]
        for call, method, path, handler in routes:
            route = f"/v1.45{path}"
            application.router.add_route(method, route, self._guarded(call, handler))
        return application

    def _guarded(self, call: Call, handler: _Handler) -> _Handler:
        async def answer(request: web.Request) -> web.StreamResponse:
            self.calls.append(call)
            waiting = self.faults.get(call)
            fault = waiting.pop(0) if waiting else None
            instead = await self._meet(fault, request)
            if instead is not None:
                return instead
            try:
                answered = await handler(request)
            except Refusal as e:
                return web.json_response({"message": e.message}, status=e.status)
            if fault == "lose the answer":
                _hang_up(request)
            return answered

        return answer

    async def _meet(
        self, fault: Fault | None, request: web.Request
    ) -> web.StreamResponse | None:
        """Do what a fault does before the call, and return what is answered instead."""
        match fault:
            case "hang":
                await self.closing.wait()
            case "refuse":
                _hang_up(request)
                return web.Response()
            case "nonsense":
                return web.json_response(7)
            case "break off":
                return await _break_off(request)
            case "vanish":
                del self.containers[request.match_info["id"]]
            case "removing":
                self._found(request).status = "removing"
            case int():
                return web.json_response({"message": "made up"}, status=fault)
        return None

    async def _version(self, _: web.Request) -> web.Response:
        return web.json_response({"ApiVersion": "1.45"})

    async def _list(self, request: web.Request) -> web.Response:
        filters = json.loads(request.query["filters"])
        wanted = {tuple(each.split("=", 1)) for each in filters["label"]}
        [pattern] = filters.get("name", [""])
        found = [
            {
                "Id": each.id,
                "Names": [f"/{each.name}"],
                "Image": each.image,
                "State": each.status,
                "Labels": each.config["Labels"],
            }
            for each in self.containers.values()
            if wanted <= each.config["Labels"].items() and re.search(pattern, each.name)
        ]
        return web.json_response(found)

    async def _create(self, request: web.Request) -> web.Response:
        name, config = request.query["name"], await request.json()
        if config["Image"] == NO_IMAGE:
            raise Refusal(404, f"No such image: {NO_IMAGE}")
        self._check_free(name)
        identity = f"id-{len(self.calls)}"
        made = FakeContainer(identity, name, config, image=config["Image"])
        self.containers[made.id] = made
        return web.json_response({"Id": made.id, "Warnings": []}, status=201)

    async def _inspect(self, request: web.Request) -> web.Response:
        container = self._found(request)
        is_unstarted = container.status == "created"
        state = {
            "Status": container.status,
            "ExitCode": container.exit_code,
            "Error": "",
            "OOMKilled": False,
            "StartedAt": NO_TIME if is_unstarted else TIME,
            "FinishedAt": TIME if container.status == "exited" else NO_TIME,
        }
        memory = {"Memory": container.config["HostConfig"]["Memory"]}
        answer = {
            "Id": container.id,
            "State": state,
            "HostConfig": memory,
            "Config": {"Tty": False},
        }
        return web.json_response(answer)

    async def _start(self, request: web.Request) -> web.Response:
        container = self._found(request)
        if container.status == "removing":
            raise Refusal(409, "container is marked for removal and cannot be started")
        container.status = "running"
        return web.Response(status=204)

    async def _stop(self, request: web.Request) -> web.Response:
        container = self._found(request)
        container.status, container.exit_code = "exited", 143
        return web.Response(status=204)

    async def _remove(self, request: web.Request) -> web.Response:
        container = self._found(request)
        if container.status == "running" and "force" not in request.query:
            raise Refusal(409, "cannot remove container: container is running")
        del self.containers[container.id]
        return web.Response(status=204)

    async def _log(self, request: web.Request) -> web.Response:
        content = self._found(request).log
        if "timestamps" in request.query:
            content = f"{TIME} ".encode() + content
        body = struct.pack(">BxxxL", 1, len(content)) + content
        return web.Response(body=body)

    async def _attach(self, request: web.Request) -> web.StreamResponse:
        container = self._found(request)
        held = _Input()
        response = web.StreamResponse(status=101, headers=_UPGRADE)
        await response.prepare(request)
        request.protocol.set_parser(held)  # type: ignore[arg-type]  # any will do
        await held.closed.wait()
        container.close_input(bytes(held.content))
        return response

    async def _rename(self, request: web.Request) -> web.Response:
        container = self._found(request)
        self._check_free(request.query["name"])
        container.name = request.query["name"]
        return web.Response(status=204)

    async def _update(self, request: web.Request) -> web.Response:
        self._found(request).config["HostConfig"] |= await request.json()
        return web.json_response({"Warnings": None})

    def _check_free(self, name: str) -> None:
        if any(each.name == name for each in self.containers.values()):
            raise Refusal(409, f"Conflict. The container name {name} is already in use")

    def _found(self, request: web.Request) -> FakeContainer:
        identity = request.match_info["id"]
        if identity not in self.containers:
            raise Refusal(404, f"No such container: {identity}")
        return self.containers[identity]


class _Input:
    """What comes by a connection that is no longer HTTP."""

    def __init__(self) -> None:
        self.content = bytearray()
        self.closed = asyncio.Event()

    def feed_data(self, data: bytes) -> tuple[bool, bytes]:
        self.content += data
        return False, b""

    def feed_eof(self) -> None:
        self.closed.set()


async def _break_off(request: web.Request) -> web.StreamResponse:
    """Announce more than is sent."""
    response = web.StreamResponse(headers={"Content-Length": "1000"})
    response.content_type = "application/json"
    await response.prepare(request)
    await response.write(b'[{"Id": ')
    _hang_up(request)
    return response


def _hang_up(request: web.Request) -> None:
    assert request.transport is not None
    request.transport.abort()


@asynccontextmanager
async def fake_docker() -> AsyncIterator[FakeDocker]:
    """Serve an engine at `unix://…` for as long as the context lasts."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "docker.sock"
        fake = FakeDocker(f"unix://{path}")
        runner = web.AppRunner(fake.application(), shutdown_timeout=5)
        await runner.setup()
        try:
            await web.UnixSite(runner, str(path)).start()
            yield fake
        finally:
            fake.closing.set()
            await runner.cleanup()
