"""Passes of a real orchestrator, as a process of its own.

Each line of its input is how many passes to run at most and how many seconds to rest
between them; with 0 seconds it stops as soon as a pass has nothing left to start or to
say. For each pass it prints a line of JSON.
"""

import asyncio
import json
import sys
import time
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta

import psutil

from kafkaml.client import AsyncClient
from kafkaml.logging import configure_logging
from orchestrator.actions import Action, UploadLog
from orchestrator.builders.environment import EnvironmentBuilder
from orchestrator.config import Settings
from orchestrator.executors.kubernetes.executor import KubernetesExecutor
from orchestrator.metrics import Metrics
from orchestrator.reconcile import Reconciler
from orchestrator.testing import FakeTopics

TIMEOUT = timedelta(seconds=10)


async def run() -> None:
    """Run the passes that are asked for; topics alone are not real."""
    settings = Settings(kubernetes_temporary_bytes=2**20, log_level="warning")
    configure_logging(settings)
    assert settings.token is not None
    client = AsyncClient(
        settings.url,
        settings.token.get_secret_value(),
        timeout=TIMEOUT,
        retry_for=timedelta(),
    )
    async with client, KubernetesExecutor.connect(settings=settings) as executor:
        reconciler = Reconciler(
            api=client.workloads,
            executor=executor,
            topics=FakeTopics(),
            environment=EnvironmentBuilder(settings=settings),
            metrics=Metrics(),
        )
        while line := await asyncio.to_thread(sys.stdin.readline):
            passes, rest = line.split()
            await _run_passes(reconciler, int(passes), float(rest))
            await reconciler.finish(TIMEOUT)
            print(json.dumps(None), flush=True)


async def _run_passes(reconciler: Reconciler, passes: int, rest: float) -> None:
    for _ in range(passes):
        before, cpu = time.perf_counter(), time.process_time()
        summary = await reconciler.run_pass()
        memory = psutil.Process().memory_full_info()
        line = {
            "seconds": time.perf_counter() - before,
            "cpu": time.process_time() - cpu,
            "rss": memory.rss,
            "pss": memory.pss,
            "wanted": summary.wanted,
            "seen": summary.seen,
            "done": _kinds(summary.done),
            "failed": _kinds(summary.failed),
            "postponed": _kinds(summary.postponed),
        }
        print(json.dumps(line), flush=True)
        left = (*summary.done, *summary.failed, *summary.postponed)
        if not rest and all(isinstance(each, UploadLog) for each in left):
            return
        await asyncio.sleep(rest)


def _kinds(actions: Sequence[Action]) -> dict[str, int]:
    return Counter(each.kind for each in actions)


if __name__ == "__main__":
    asyncio.run(run())
