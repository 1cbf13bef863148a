"""The baseline of starting workloads: the calls that it takes, and nothing in between."""

import asyncio
import time
from collections.abc import Iterator
from typing import Any

import aiohttp
import orjson

from kafkaml.schemas.workloads import Workload, WorkloadKind
from orchestrator.builders.environment import EnvironmentBuilder
from orchestrator.builders.manifests import ManifestBuilder
from orchestrator.config import Settings
from orchestrator.executors.kubernetes.resources import (
    OWNERS,
    PODS,
    SECRETS,
    Resource,
    resource_of,
)

AT_ONCE = 16
METADATA_ONLY = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io"

Manifest = dict[str, Any]


class BareCalls:
    """Makes the tokens and objects of workloads by calls of aiohttp, 16 at once."""

    def __init__(
        self, *, kubernetes: str, kubernetes_token: str, api: str, api_token: str
    ) -> None:
        settings = Settings(url=api, kubernetes_temporary_bytes=2**20)
        self._kubernetes = kubernetes
        self._kubernetes_headers = {"Authorization": f"Bearer {kubernetes_token}"}
        self._api = api
        self._api_headers = {"Authorization": f"Bearer {api_token}"}
        self._namespace = settings.kubernetes_namespace
        self._manifests = ManifestBuilder(settings=settings)
        self._environment = EnvironmentBuilder(settings=settings)

    async def start_all(self) -> tuple[float, int]:
        """Return how many seconds that took, and how many objects were made."""
        started = time.perf_counter()
        async with _session() as session:
            wanted = await self._wanted(session)
            turns = iter(wanted)
            numbers = await asyncio.gather(
                *(self._start_some(session, turns) for _ in range(AT_ONCE))
            )
        return time.perf_counter() - started, sum(numbers)

    async def wanted_seconds(self) -> float:
        """Return how long the API takes to say what it wants."""
        async with _session() as session:
            started = time.perf_counter()
            await self._wanted_items(session)
            return time.perf_counter() - started

    async def look_seconds(self) -> float:
        """Return how long it takes to list everything, and what is wanted."""
        async with _session() as session:
            started = time.perf_counter()
            for resource in (*OWNERS, SECRETS, PODS):
                await self._list(session, resource)
            await self._wanted_items(session)
            return time.perf_counter() - started

    async def _list(self, session: aiohttp.ClientSession, resource: Resource) -> None:
        url, token = self._kubernetes + resource.path(self._namespace), ""
        while True:
            query = {"limit": "500"} | ({"continue": token} if token else {})
            accept = METADATA_ONLY if resource == SECRETS else "application/json"
            headers = self._kubernetes_headers | {"Accept": accept}
            async with session.get(url, params=query, headers=headers) as answer:
                page = orjson.loads(await answer.read())
            token = page["metadata"].get("continue", "")
            if not token:
                return

    async def _wanted(self, session: aiohttp.ClientSession) -> list[Workload]:
        items = await self._wanted_items(session)
        return [Workload.model_validate(item) for item in items]

    async def _wanted_items(self, session: aiohttp.ClientSession) -> list[Manifest]:
        url = f"{self._api}/api/v1/workloads"
        async with session.get(url, headers=self._api_headers) as answer:
            items: list[Manifest] = orjson.loads(await answer.read())["items"]
        return items

    async def _start_some(
        self, session: aiohttp.ClientSession, turns: Iterator[Workload]
    ) -> int:
        return sum([await self._start(session, workload) for workload in turns])

    async def _start(self, session: aiohttp.ClientSession, workload: Workload) -> int:
        url = f"{self._api}/api/v1/workloads/{workload.name}/token"
        async with session.post(url, headers=self._api_headers) as answer:
            token = (await answer.json())["token"]
        environment = self._environment.build(workload, 0, token)
        is_set = workload.kind is WorkloadKind.INFERENCE
        build = self._manifests.inference if is_set else self._manifests.job
        owner = await self._create(session, build(workload, environment))
        others = [self._manifests.secret(workload, environment, owner)]
        if is_set:
            others.append(self._manifests.service(workload, owner))
            others.append(self._manifests.disruption_budget(workload, owner))
        for each in others:
            await self._create(session, each)
        return 1 + len(others)

    async def _create(self, session: aiohttp.ClientSession, body: Manifest) -> Manifest:
        url = self._kubernetes + resource_of(body).path(self._namespace)
        headers = self._kubernetes_headers
        async with session.post(url, json=body, headers=headers) as answer:
            answer.raise_for_status()
            return await answer.json()  # type: ignore[no-any-return]


def _session() -> aiohttp.ClientSession:
    return aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(60))
