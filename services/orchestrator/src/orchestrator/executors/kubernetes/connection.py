"""HTTP calls of the API server: the only file that knows `kubernetes_asyncio`."""

import asyncio
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Self

import aiohttp
import yaml
from kubernetes_asyncio.client import ApiClient, Configuration
from kubernetes_asyncio.client.exceptions import OpenApiException
from kubernetes_asyncio.config import (
    ConfigException,
    load_incluster_config,
    load_kube_config,
)

from orchestrator.exceptions import ExecutorError, NotNowError
from orchestrator.executors.kubernetes.answer import Answer
from orchestrator.executors.kubernetes.resources import Manifest

REQUEST_TIMEOUT = timedelta(seconds=10)
SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")

Query = Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request; empty parameters of the query are left out."""

    method: str
    path: str
    query: Query = ()
    body: Manifest | None = None
    accept: str = "application/json"
    content_type: str = "application/json"


class Connection:
    """Makes calls, each within a time that includes connecting and reading the answer.

    Raises `NotNowError` if there is no answer. Nothing is tried again, except with new
    credentials where the server does not take the old ones.
    """

    def __init__(
        self, *, api: ApiClient, service_account: Path, time_limit: timedelta
    ) -> None:
        self._api = api
        self._service_account = service_account
        self._time_limit = time_limit

    @classmethod
    @asynccontextmanager
    async def open(
        cls, *, service_account: Path, time_limit: timedelta
    ) -> AsyncIterator[Self]:
        """Find the cluster; raise `ExecutorError` if nothing says where it is."""
        configuration = Configuration()
        await _configure(configuration, service_account)
        async with ApiClient(configuration) as api:
            yield cls(api=api, service_account=service_account, time_limit=time_limit)

    async def ask(self, call: Call) -> Answer:
        """Return the whole answer, whatever its status is."""
        async with self.stream(call) as response:
            return await read_answer(response)

    @asynccontextmanager
    async def stream(
        self, call: Call, *, extra: timedelta = timedelta()
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """Return an answer that is still to be read; `extra` is added to its time."""
        seconds = (self._time_limit + extra).total_seconds()
        where = f"{call.method} {call.path}"
        try:
            async with asyncio.timeout(seconds):
                async with await self._send(call) as response:
                    yield response
        except TimeoutError as e:
            raise NotNowError(
                f"Kubernetes did not answer within {seconds:g} s ({where})"
            ) from e
        except (aiohttp.ClientError, OSError, OpenApiException, ValueError) as e:
            text = str(e) or type(e).__name__
            raise NotNowError(f"Kubernetes cannot be asked ({where}): {text}") from e

    async def _send(self, call: Call) -> aiohttp.ClientResponse:
        response = await self._send_once(call)
        if response.status != 401:
            return response
        # The token of a service account lives for an hour; its file always has a good one.
        response.release()
        await _configure(self._api.configuration, self._service_account)
        return await self._send_once(call)

    async def _send_once(self, call: Call) -> aiohttp.ClientResponse:
        response: aiohttp.ClientResponse = await self._api.call_api(
            call.path,
            call.method,
            query_params=[(name, value) for name, value in call.query if value],
            header_params={"Accept": call.accept, "Content-Type": call.content_type},
            body=call.body,
            auth_settings=["BearerToken"],
            _preload_content=False,
        )
        return response


async def read_answer(response: aiohttp.ClientResponse) -> Answer:
    """Read an answer to its end."""
    content = await response.read()
    return Answer(response.status, content, response.headers.get("Retry-After"))


async def _configure(configuration: Configuration, service_account: Path) -> None:
    """Read where the cluster is, and as whom to ask it, from the files that say so.

    `KUBECONFIG` comes first, then a pod's service account, then `~/.kube/config`.
    """
    try:
        if "KUBECONFIG" not in os.environ and "KUBERNETES_SERVICE_HOST" in os.environ:
            load_incluster_config(
                configuration,
                token_filename=str(service_account / "token"),
                cert_filename=str(service_account / "ca.crt"),
            )
        else:
            await load_kube_config(
                os.environ.get("KUBECONFIG", "~/.kube/config"),
                client_configuration=configuration,
                persist_config=False,
            )
    except (ConfigException, OSError, ValueError, yaml.YAMLError) as e:
        raise ExecutorError(f"no Kubernetes cluster is set up: {e}") from e
