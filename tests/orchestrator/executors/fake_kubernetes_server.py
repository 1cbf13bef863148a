"""The API server of a cluster in memory, over HTTP, with faults that a test injects."""

import asyncio
import copy
import json
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from .fake_kubernetes import FakeCluster, Manifest

ROOTS = ("/api/v1", "/apis/{group}/{version}")
NAMESPACE = "kafka-ml-workloads"
TOKEN = "token-of-the-service-account"
KNOWN = frozenset(
    {
        "jobs",
        "deployments",
        "replicationcontrollers",
        "pods",
        "secrets",
        "services",
        "events",
        "nodes",
        "poddisruptionbudgets",
    }
)


@dataclass
class Fault:
    """What happens to the next calls of a method on a kind of objects, `times` times.

    With `is_lost` the call is done and its answer is not given; with `hangs` there is
    neither; otherwise it is refused with `status`.
    """

    method: str = "GET"
    plural: str = ""
    status: int = 500
    reason: str = "InternalError"
    headers: dict[str, str] = field(default_factory=dict)
    is_lost: bool = False
    hangs: bool = False
    is_of_later_page: bool = False
    times: int = 1

    def takes(self, request: web.Request) -> bool:
        is_later = bool(request.query.get("continue"))
        return (
            self.times > 0
            and self.method == request.method
            and self.plural in {"", request.match_info.get("plural")}
            and (is_later or not self.is_of_later_page)
        )


@dataclass
class FakeApiServer:
    """Serves a cluster; `page_size` is the most that one answer lists.

    A watch from before `oldest_revision` is too old, and a deaf server's never say a thing.
    """

    cluster: FakeCluster
    faults: list[Fault] = field(default_factory=list)
    requests: list[tuple[str, str]] = field(default_factory=list)
    kinds: frozenset[str] = KNOWN
    token: str = TOKEN
    page_size: int = 2
    oldest_revision: int = 0
    watches: int = 0
    is_deaf: bool = False
    job_quota: int | None = None
    port: int = 0
    _runner: web.AppRunner | None = None

    async def start(self) -> None:
        """Serve, at the same port each time."""
        application = web.Application(middlewares=[self._guard])
        for root in ROOTS:
            many = root + "/namespaces/{namespace}/{plural}"
            application.router.add_get(many, self._list)
            application.router.add_post(many, self._create)
            application.router.add_get(many + "/{name}", self._get)
            application.router.add_patch(many + "/{name}", self._patch)
            application.router.add_delete(many + "/{name}", self._delete)
        application.router.add_get("/api/v1/{plural:nodes}", self._list)
        pod_log = "/api/v1/namespaces/{namespace}/{plural:pods}/{name}/log"
        application.router.add_get(pod_log, self._log)
        self._runner = web.AppRunner(application, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self.port).start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """Refuse connections from now on, and cut those that are open."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    def kubeconfig(self, token: str = TOKEN) -> str:
        """Return a configuration file for clients of this server."""
        server = {"server": f"http://127.0.0.1:{self.port}"}
        context = {"cluster": "fake", "user": "orchestrator", "namespace": "default"}
        return json.dumps(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "current-context": "fake",
                "clusters": [{"name": "fake", "cluster": server}],
                "users": [{"name": "orchestrator", "user": {"token": token}}],
                "contexts": [{"name": "fake", "context": context}],
            }
        )

    @web.middleware
    async def _guard(self, request: web.Request, handler: Any) -> web.StreamResponse:
        self.requests.append((request.method, request.path))
        if request.headers.get("Authorization") != f"Bearer {self.token}":
            return _refuse(401, "Unauthorized", "Unauthorized")
        if request.match_info.get("plural") not in self.kinds:
            return web.Response(status=404, text="404 page not found\n")
        fault = next((each for each in self.faults if each.takes(request)), None)
        if fault is None:
            return await handler(request)  # type: ignore[no-any-return]
        fault.times -= 1
        if fault.hangs:
            await asyncio.sleep(3600)
        if fault.is_lost:
            await handler(request)
            assert request.transport is not None
            request.transport.abort()
        return _refuse(fault.status, fault.reason, "a fault was injected", fault.headers)

    async def _list(self, request: web.Request) -> web.StreamResponse:
        if request.query.get("watch") == "true":
            return await self._watch(request)
        found = [
            item
            for item in self.cluster.all(request.match_info["plural"])
            if _matches(request, item)
        ]
        begin = int(request.query.get("continue", "0"))
        end = begin + min(self.page_size, int(request.query.get("limit", "500")))
        items = [_as_listed(request, item) for item in found[begin:end]]
        metadata = {"resourceVersion": str(self.cluster.revision)}
        if end < len(found):
            metadata["continue"] = str(end)
        return web.json_response({"kind": "List", "metadata": metadata, "items": items})

    async def _watch(self, request: web.Request) -> web.StreamResponse:
        self.watches += 1
        response = web.StreamResponse()
        await response.prepare(request)
        if self.is_deaf:
            await asyncio.sleep(3600)
        revision = int(request.query["resourceVersion"])
        if revision < self.oldest_revision:
            status = {"kind": "Status", "code": 410, "reason": "Expired"}
            line = {"type": "ERROR", "object": status}
            await response.write(json.dumps(line).encode() + b"\n")
            return response
        deadline = asyncio.get_running_loop().time() + int(request.query["timeoutSeconds"])
        while asyncio.get_running_loop().time() < deadline:
            for number, change, plural, item in list(self.cluster.changes):
                is_asked = plural == request.match_info["plural"]
                if number > revision and is_asked and _matches(request, item):
                    line = {"type": change, "object": item}
                    await response.write(json.dumps(line).encode() + b"\n")
            revision = max(revision, self.cluster.revision)
            await asyncio.sleep(0.01)
        return response

    async def _create(self, request: web.Request) -> web.Response:
        plural, manifest = request.match_info["plural"], await request.json()
        if plural == "jobs" and len(self.cluster.all(plural)) == self.job_quota:
            quota = self.job_quota
            text = (
                f"jobs.batch is forbidden: exceeded quota: workloads, requested: "
                f"count/jobs.batch=1, used: count/jobs.batch={quota}, "
                f"limited: count/jobs.batch={quota}"
            )
            return _refuse(403, "Forbidden", text)
        made = self.cluster.create(plural, manifest)
        if made is None:
            name = manifest["metadata"]["name"]
            return _refuse(409, "AlreadyExists", f'{plural} "{name}" already exists')
        return web.json_response(made, status=201)

    async def _get(self, request: web.Request) -> web.Response:
        found = self._found(request)
        return _not_found(request) if found is None else web.json_response(found)

    async def _patch(self, request: web.Request) -> web.Response:
        assert request.content_type == "application/merge-patch+json"
        found = self._found(request)
        if found is None:
            return _not_found(request)
        _merge(found, await request.json())
        self.cluster.changed(request.match_info["plural"], found)
        return web.json_response(found)

    async def _delete(self, request: web.Request) -> web.Response:
        found, options = self._found(request), await request.json()
        if found is None:
            return _not_found(request)
        uid = options.get("preconditions", {}).get("uid")
        if uid not in {None, found["metadata"]["uid"]}:
            return _refuse(409, "Conflict", "the UID in the precondition does not match")
        self.cluster.delete(
            request.match_info["plural"],
            request.match_info["name"],
            options.get("propagationPolicy"),
        )
        return web.json_response({"kind": "Status", "status": "Success"})

    async def _log(self, request: web.Request) -> web.Response:
        found = self._found(request)
        if found is None:
            return _not_found(request)
        is_previous = request.query.get("previous") == "true"
        logs = self.cluster.previous_logs if is_previous else self.cluster.logs
        content = logs.get(request.match_info["name"])
        if content is None:
            text = "container is waiting to start: ContainerCreating"
            return _refuse(400, "BadRequest", text)
        lines = content.splitlines(keepends=True)[-int(request.query["tailLines"]) :]
        return web.Response(body=b"".join(lines))

    def _found(self, request: web.Request) -> Manifest | None:
        assert request.match_info["namespace"] == NAMESPACE
        return self.cluster.get(request.match_info["plural"], request.match_info["name"])


def _matches(request: web.Request, item: Manifest) -> bool:
    labels = item["metadata"].get("labels", {})
    pairs = [each.split("=") for each in request.query.get("labelSelector", "").split(",")]
    fields = [each.split("=") for each in request.query.get("fieldSelector", "").split(",")]
    return all(labels.get(pair[0]) == pair[-1] for pair in pairs if len(pair) > 1) and all(
        item.get(pair[0]) == pair[-1] for pair in fields if len(pair) > 1
    )


def _as_listed(request: web.Request, item: Manifest) -> Manifest:
    """Return an item as lists have it: without its kind, and perhaps without content."""
    if "as=PartialObjectMetadataList" in request.headers["Accept"]:
        return {"metadata": item["metadata"]}
    listed = copy.copy(item)
    for name in ("apiVersion", "kind"):
        listed.pop(name, None)
    return listed


def _merge(item: Manifest, changes: Manifest) -> None:
    for name, value in changes.items():
        if isinstance(value, dict):
            _merge(item.setdefault(name, {}), value)
        else:
            item[name] = value


def _refuse(
    status: int, reason: str, message: str, headers: dict[str, str] | None = None
) -> web.Response:
    body = {"kind": "Status", "code": status, "reason": reason, "message": message}
    return web.json_response(body, status=status, headers=headers)


def _not_found(request: web.Request) -> web.Response:
    text = f'{request.match_info["plural"]} "{request.match_info["name"]}" not found'
    return _refuse(404, "NotFound", text)
