"""What the executor asks of the API of Kubernetes.

Answers are plain dicts: to fill classes of a client library takes longer than all the rest.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Self

import aiohttp
import orjson

from orchestrator.exceptions import ExecutorError
from orchestrator.executors.kubernetes.answer import Answer
from orchestrator.executors.kubernetes.connection import (
    REQUEST_TIMEOUT,
    SERVICE_ACCOUNT,
    Call,
    Connection,
    Query,
    read_answer,
)
from orchestrator.executors.kubernetes.resources import PODS, Manifest, Resource

_PAGE_SIZE = 500
_LIST_ATTEMPTS = 3
# The server counts a log's end in lines only; this much is read to find its last bytes.
_LOG_LINES = 20_000
_METADATA_ONLY = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io"


class KubernetesClient:
    """Calls of the API in one namespace.

    Each raises `ExecutorError` if it was refused, or not answered in time. Nothing is tried
    again: the caller comes back anyway.
    """

    def __init__(self, *, connection: Connection, namespace: str) -> None:
        self._connection = connection
        self._namespace = namespace

    @classmethod
    @asynccontextmanager
    async def connect(
        cls,
        *,
        namespace: str,
        time_limit: timedelta = REQUEST_TIMEOUT,
        service_account: Path = SERVICE_ACCOUNT,
    ) -> AsyncIterator[Self]:
        """Find the cluster as kubectl does, and in a pod as its service account.

        Raise `ExecutorError` if nothing says where it is; no call is made yet.
        """
        async with Connection.open(
            service_account=service_account, time_limit=time_limit
        ) as connection:
            yield cls(connection=connection, namespace=namespace)

    async def find(
        self,
        resource: Resource,
        *,
        labels: str = "",
        fields: str = "",
        is_metadata_only: bool = False,
    ) -> list[Manifest]:
        """Return every object that the selectors match."""
        query = [("labelSelector", labels), ("fieldSelector", fields)]
        accept = _METADATA_ONLY if is_metadata_only else "application/json"
        for _ in range(_LIST_ATTEMPTS):
            items = await self._pages(resource, query, accept)
            if items is not None:
                return [resource.complete(item) for item in items]
        raise ExecutorError(
            f"listing {resource.plural}: the list grew too old {_LIST_ATTEMPTS} times "
            "while it was read"
        )

    async def revision(self, resource: Resource, *, labels: str) -> str:
        """Return the version of a kind's objects from which a watch can begin."""
        answer = await self._get(
            resource.path(self._namespace), [("labelSelector", labels), ("limit", "1")]
        )
        page = answer.to_manifest(f"listing {resource.plural}")
        return str(page.get("metadata", {}).get("resourceVersion", ""))

    async def get(self, resource: Resource, name: str) -> Manifest | None:
        """Return an object; None if it is not there."""
        answer = await self._get(resource.path(self._namespace, name))
        if answer.status == 404:
            return None
        return answer.to_manifest(f"reading {resource.kind} {name}")

    async def create(self, resource: Resource, manifest: Manifest) -> Manifest | None:
        """Return the created object; None if there is one of its name already."""
        path = resource.path(self._namespace)
        answer = await self._connection.ask(Call(method="POST", path=path, body=manifest))
        # A quota that is counted anew at the same time is a conflict that leaves nothing.
        if answer.status == 409 and answer.reason == "AlreadyExists":
            return None
        name = manifest["metadata"]["name"]
        return answer.to_manifest(f"creating {resource.kind} {name}")

    async def patch(
        self, resource: Resource, name: str, changes: Manifest
    ) -> Manifest | None:
        """Merge changes into an object and return it; None if it is not there."""
        answer = await self._connection.ask(
            Call(
                method="PATCH",
                path=resource.path(self._namespace, name),
                body=changes,
                content_type="application/merge-patch+json",
            )
        )
        if answer.status == 404:
            return None
        return answer.to_manifest(f"changing {resource.kind} {name}")

    async def delete(self, resource: Resource, name: str, uid: str) -> None:
        """Delete the object of this uid, and then in the background all that it owns.

        Nothing happens if it is gone, or another one has its name by now.
        """
        options = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "propagationPolicy": "Background",
            "preconditions": {"uid": uid},
        }
        path = resource.path(self._namespace, name)
        answer = await self._connection.ask(Call(method="DELETE", path=path, body=options))
        if not answer.is_success and answer.status not in {404, 409}:
            raise answer.to_error(f"deleting {resource.kind} {name}")

    async def log(
        self, pod: str, container: str, *, limit: int, is_previous: bool = False
    ) -> bytes | None:
        """Return the newest part of a log, at most `limit` bytes; None if there is none."""
        query = (
            ("container", container),
            ("tailLines", str(_LOG_LINES)),
            ("previous", "true" if is_previous else ""),
        )
        path = PODS.path(self._namespace, pod, "log")
        call = Call(method="GET", path=path, query=query)
        async with self._connection.stream(call) as response:
            if response.status in {400, 404}:
                return None
            if response.status != 200:
                answer = await read_answer(response)
                raise answer.to_error(f"reading the log of {pod}")
            return await _read_tail(response, limit)

    @asynccontextmanager
    async def watch(
        self, resource: Resource, *, labels: str, revision: str, duration: timedelta
    ) -> AsyncIterator[AsyncIterator[Manifest]]:
        """Follow the changes since `revision`; the server ends this after `duration`.

        The client does so a little later if the server doesn't. A refusal may be the first
        item, of the type `ERROR`: above all 410, if the revision is too old.
        """
        query = (
            ("watch", "true"),
            ("labelSelector", labels),
            ("resourceVersion", revision),
            ("timeoutSeconds", str(round(duration.total_seconds()))),
        )
        call = Call(method="GET", path=resource.path(self._namespace), query=query)
        async with self._connection.stream(call, extra=duration) as response:
            if response.status != 200:
                answer = await read_answer(response)
                raise answer.to_error(f"watching {resource.plural}")
            yield _read_lines(response)

    async def _pages(
        self, resource: Resource, query: Query, accept: str
    ) -> list[Manifest] | None:
        """Return all pages as one list; None if it grew too old between two of them."""
        path, token = resource.path(self._namespace), ""
        items: list[Manifest] = []
        while True:
            paging = (("limit", str(_PAGE_SIZE)), ("continue", token))
            answer = await self._get(path, [*query, *paging], accept)
            if token and answer.status == 410:
                return None
            page = answer.to_manifest(f"listing {resource.plural}")
            items += page.get("items") or []
            token = page.get("metadata", {}).get("continue", "")
            if not token:
                return items

    async def _get(
        self, path: str, query: Query = (), accept: str = "application/json"
    ) -> Answer:
        return await self._connection.ask(
            Call(method="GET", path=path, query=query, accept=accept)
        )


async def _read_tail(response: aiohttp.ClientResponse, limit: int) -> bytes:
    tail = bytearray()
    async for chunk in response.content.iter_chunked(64 * 1024):
        tail += chunk
        if len(tail) > 2 * limit:
            del tail[:-limit]
    return bytes(tail[-limit:])


async def _read_lines(response: aiohttp.ClientResponse) -> AsyncIterator[Manifest]:
    async for line in response.content:
        if line.strip():
            yield orjson.loads(line)
