"""Those who call the API."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import httpx
from fastapi import FastAPI

ADMIN_SECRET = "admin-secret-of-these-tests"
ORCHESTRATOR_SECRET = "orchestrator-secret-of-these-tests"
CONTROL_LOGGER_SECRET = "control-logger-secret-of-these-tests"

BASE_URL = "http://api.test/api/v1/"


@dataclass(frozen=True)
class Actors:
    """One client of the API for each kind of caller."""

    transport: httpx.ASGITransport
    anonymous: httpx.AsyncClient
    viewer: httpx.AsyncClient
    editor: httpx.AsyncClient
    admin: httpx.AsyncClient
    orchestrator: httpx.AsyncClient
    control_logger: httpx.AsyncClient

    @classmethod
    @asynccontextmanager
    async def of(cls, app: FastAPI) -> AsyncIterator["Actors"]:
        """Return clients for an app whose lifespan has begun."""
        transport = httpx.ASGITransport(app)
        async with AsyncExitStack() as stack:
            admin = await stack.enter_async_context(client(transport, ADMIN_SECRET))
            secrets = {
                "anonymous": None,
                "viewer": await _new_token(admin, "viewer"),
                "editor": await _new_token(admin, "editor"),
                "orchestrator": ORCHESTRATOR_SECRET,
                "control_logger": CONTROL_LOGGER_SECRET,
            }
            clients = {
                name: await stack.enter_async_context(client(transport, secret))
                for name, secret in secrets.items()
            }
            yield cls(transport=transport, admin=admin, **clients)

    async def attempt(self, name: str) -> httpx.AsyncClient:
        """Return a client with a new token of an attempt, as a trainer has it."""
        response = await self.orchestrator.post(f"workloads/{name}/token")
        assert response.status_code == 201, response.text
        return client(self.transport, response.json()["token"])


def client(transport: httpx.ASGITransport, secret: str | None) -> httpx.AsyncClient:
    """Return a client that sends a token, if there is one."""
    headers = {"Authorization": f"Bearer {secret}"} if secret else {}
    return httpx.AsyncClient(transport=transport, base_url=BASE_URL, headers=headers)


def code_of(response: httpx.Response) -> str:
    """Return the last part of a problem's type, once the answer is seen to be a problem."""
    assert response.headers["content-type"] == "application/problem+json", response.text
    problem = response.json()
    assert problem["status"] == response.status_code
    assert problem["instance"] == response.request.url.path
    return str(problem["type"].removeprefix("urn:kafka-ml:problem:"))


async def _new_token(admin: httpx.AsyncClient, scope: str) -> str:
    response = await admin.post("tokens", json={"name": scope, "scope": scope})
    assert response.status_code == 201, response.text
    return str(response.json()["secret"])
