"""Where the scale benchmark takes place: a real database, and a real API on it."""

import asyncio
import urllib.request
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import psutil
from tests.bench.scale_baseline import BareCalls
from tests.bench.scale_database import ScaleDatabase
from tests.bench.scale_processes import Cluster
from tests.integration.api_process import ORCHESTRATOR, ApiServer
from tests.support.servers import choose_folder, shared_servers

START_SECONDS = 120


@dataclass(frozen=True)
class Size:
    """How much of everything there is; `room` is how many pods a full cluster takes."""

    trainings: int
    inferences: int
    finished: int
    room: int


@dataclass(frozen=True)
class Place:
    """An API, its database, and what is to be put there."""

    api: str
    api_process: psutil.Process
    database: ScaleDatabase
    folder: Path
    size: Size

    async def want_all(self) -> None:
        """Have the API want all workloads, and no others."""
        await self.database.delete_active()
        await self.database.add_trainings(self.size.trainings, "queued")
        await self.database.add_inferences(self.size.inferences)

    def api_calls(self) -> int:
        """Return how often the API was asked by orchestrators."""
        with urllib.request.urlopen(f"{self.api}/metrics", timeout=10) as answer:
            lines = answer.read().decode().splitlines()
        counts = [x for x in lines if x.startswith("kafkaml_api_requests_total{")]
        ours = [x for x in counts if 'route="/api/v1/workloads' in x]
        return int(sum(float(x.rpartition(" ")[2]) for x in ours))

    def api_seconds(self) -> float:
        """Return the CPU time of the API."""
        times = self.api_process.cpu_times()
        return float(times.user + times.system)

    def bare(self, cluster: Cluster) -> BareCalls:
        return BareCalls(
            kubernetes=cluster.url,
            kubernetes_token=cluster.token,
            api=self.api,
            api_token=ORCHESTRATOR,
        )


@asynccontextmanager
async def running_place(folder: Path, size: Size) -> AsyncIterator[Place]:
    """Run a database with one model, and an API, until the context ends."""
    choose_folder()
    postgres = shared_servers().postgres
    async with AsyncExitStack() as stack:
        stack.callback(shared_servers().stop)
        postgres.create_database("scale")
        url = postgres.url("scale")
        server = ApiServer(database_url=url, bootstrap_servers="127.0.0.1:1", folder=folder)
        server.migrate()
        process = stack.enter_context(server.running())
        connection = await asyncpg.connect(url.replace("+asyncpg", ""))
        stack.push_async_callback(connection.close)
        await _wait_for(f"{server.url}/readyz")
        database = ScaleDatabase(connection=connection)
        await database.add_model()
        yield Place(server.url, psutil.Process(process.pid), database, folder, size)


async def _wait_for(url: str) -> None:
    async with asyncio.timeout(START_SECONDS):
        while not await asyncio.to_thread(_answers, url):
            await asyncio.sleep(0.1)


def _answers(url: str) -> bool:
    try:
        urllib.request.urlopen(url, timeout=5).close()
    except OSError:
        return False
    return True
