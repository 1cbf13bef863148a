"""A cluster in memory for thousands of workloads, as a process of its own.

It prints its kubeconfig as one line and serves until its input ends. `GET /requests`
answers how many calls there were. What runs is ready as soon as its Secret is there;
with `--room N` only N pods fit, and the others wait as on a full cluster.
"""

import argparse
import asyncio
import sys
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from aiohttp import web

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.orchestrator.executors.fake_kubernetes import (
    SETS,
    FakeCluster,
    Manifest,
)
from tests.orchestrator.executors.fake_kubernetes_server import FakeApiServer

LOG = b'{"event": "epoch", "loss": 0.1}\n' * 100
NO_ROOM = "0/1 nodes are available: 1 Insufficient cpu."


@dataclass
class LargeCluster(FakeCluster):
    """Does at once what controllers do, in a time that does not grow with what is there."""

    room: int | None = None
    kinds: defaultdict[str, dict[str, Manifest]] = field(
        default_factory=lambda: defaultdict(dict)
    )

    def all(self, plural: str) -> list[Manifest]:
        return [item for _, item in sorted(self.kinds[plural].items())]

    def create(self, plural: str, manifest: Manifest) -> Manifest | None:
        made = super().create(plural, manifest)
        if made is not None:
            name = made["metadata"]["name"]
            self.kinds[plural][name] = made
            if plural == "secrets":
                self._make_pods(name)
            elif plural == "pods":
                self._run(made)
        return made

    def delete(self, plural: str, name: str, policy: str | None = "Background") -> None:
        del policy
        for kind, items in self.kinds.items():
            owned = [each for each in items if each == name or each.startswith(f"{name}-")]
            for each in owned if plural in {kind, "jobs", *SETS} else []:
                self.objects.pop((kind, items.pop(each)["metadata"]["name"]))

    def _make_pods(self, name: str) -> None:
        for plural in ("jobs", *SETS):
            owner = self.get(plural, name)
            for _ in range(owner["spec"].get("replicas", 1) if owner else 0):
                self._make_pod(plural, owner or {})

    def _run(self, pod: Manifest) -> None:
        if self.room is not None and len(self.logs) >= self.room:
            scheduled = {"type": "PodScheduled", "status": "False", "message": NO_ROOM}
            scheduled |= {"reason": "Unschedulable", "lastTransitionTime": self._now()}
            pod["status"]["conditions"] = [scheduled]
            self._warn(pod, "FailedScheduling", NO_ROOM)
            return
        super()._run(pod)
        self.logs[pod["metadata"]["name"]] = LOG

    def _note(self, plural: str, change: str, item: Manifest) -> None:
        del plural, change
        self.revision += 1
        item["metadata"]["resourceVersion"] = str(self.revision)


@dataclass
class CountingServer(FakeApiServer):
    """Tells how often it was asked."""

    @web.middleware
    async def _guard(self, request: web.Request, handler: Any) -> web.StreamResponse:
        if request.path == "/requests":
            counts = Counter(method for method, _ in self.requests)
            return web.json_response(counts)
        return await super()._guard(request, handler)


async def serve(room: int | None) -> None:
    """Serve until the input ends."""
    cluster = LargeCluster(clock=lambda: datetime.now(UTC), room=room)
    server = CountingServer(cluster, page_size=500)
    await server.start()
    print(server.kubeconfig(), flush=True)
    await asyncio.to_thread(sys.stdin.read)
    await server.stop()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--room", type=int)
    asyncio.run(serve(parser.parse_args().room))
