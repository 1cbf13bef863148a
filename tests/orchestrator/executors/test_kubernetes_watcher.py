"""Watching makes the loop faster; nothing that happens to a watch makes it worse."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from kafkaml.backoff import is_set_within
from orchestrator.config import Settings
from orchestrator.executors.kubernetes.watcher import ClusterWatcher
from orchestrator.factory import build

from ..builders import workload  # noqa: TID252 - tests of one package
from .fake_kubernetes_server import Fault
from .kubernetes_world import ENVIRONMENT, KubernetesWorld, kubernetes_world

PATIENCE_SECONDS = 10.0
TRAINING = workload()


@pytest.fixture
async def world(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[KubernetesWorld]:
    async with kubernetes_world(tmp_path, monkeypatch) as made:
        await (await made.executor()).start(TRAINING, 0, ENVIRONMENT)
        made.cluster.turn()
        yield made


@asynccontextmanager
async def watching(
    world: KubernetesWorld, duration: timedelta = timedelta(minutes=1)
) -> AsyncIterator[asyncio.Event]:
    """Watch until the end of the context, from which time on nothing is left running."""
    wake, stop = asyncio.Event(), asyncio.Event()
    watcher = ClusterWatcher(client=await world.client(), wake=wake, duration=duration)
    task = asyncio.create_task(watcher.run(stop))
    try:
        yield wake
    finally:
        assert not task.done()
        task.cancel()
        await asyncio.wait({task}, timeout=PATIENCE_SECONDS)
        assert task.done()


async def watches(world: KubernetesWorld, number: int) -> None:
    """Wait until so many watches were begun."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while world.server.watches < number:
            await asyncio.sleep(0.01)


async def test_the_end_of_a_pod_wakes_the_loop(world: KubernetesWorld) -> None:
    async with watching(world) as wake:
        await watches(world, 2)
        wake.clear()
        world.cluster.end(world.cluster.running()[0], 0)
        assert await is_set_within(wake, PATIENCE_SECONDS)


async def test_a_job_deleted_by_hand_wakes_the_loop(world: KubernetesWorld) -> None:
    async with watching(world) as wake:
        await watches(world, 2)
        wake.clear()
        world.cluster.delete("jobs", TRAINING.name)
        assert await is_set_within(wake, PATIENCE_SECONDS)


async def test_what_changes_nothing_for_us_lets_the_loop_rest(
    world: KubernetesWorld,
) -> None:
    async with watching(world) as wake:
        await watches(world, 2)
        [pod] = world.cluster.running()
        world.cluster.changed("pods", pod)
        await asyncio.sleep(0.2)
        wake.clear()
        for number in range(10):
            world.cluster.changed("pods", pod)
            world.cluster.create("jobs", {"metadata": {"name": f"theirs-{number}"}})
        assert not await is_set_within(wake, 0.3)


@pytest.mark.parametrize(
    "fault",
    [
        Fault(status=500, times=4),
        Fault(status=410, times=4),
        Fault(hangs=True, times=2),
    ],
    ids=["500", "410", "hang"],
)
async def test_a_watch_that_fails_is_begun_again(
    world: KubernetesWorld, fault: Fault
) -> None:
    world.time_limit = timedelta(seconds=1)
    world.server.faults = [replace(fault)]
    async with watching(world) as wake:
        await watches(world, 2)
        wake.clear()
        world.cluster.end(world.cluster.running()[0], 0)
        assert await is_set_within(wake, PATIENCE_SECONDS)


async def test_a_revision_that_is_too_old_leads_to_a_new_one(
    world: KubernetesWorld,
) -> None:
    world.server.oldest_revision = world.cluster.revision + 5
    async with watching(world) as wake:
        await watches(world, 4)
        world.cluster.revision += 10
        await watches(world, world.server.watches + 2)
        wake.clear()
        world.cluster.end(world.cluster.running()[0], 0)
        assert await is_set_within(wake, PATIENCE_SECONDS)


@pytest.mark.parametrize("oldest_revision", [0, 10**9], ids=["empty", "too old"])
async def test_answers_that_end_at_once_are_not_asked_for_without_a_rest(
    world: KubernetesWorld, oldest_revision: int
) -> None:
    world.server.oldest_revision = oldest_revision
    async with watching(world, duration=timedelta()):
        await asyncio.sleep(2)
    assert 4 <= world.server.watches <= 12


async def test_a_stream_that_falls_silent_is_given_up(world: KubernetesWorld) -> None:
    world.server.is_deaf = True
    world.time_limit = timedelta(seconds=1)
    async with watching(world, duration=timedelta(seconds=0.2)) as wake:
        await watches(world, 2)
        world.server.is_deaf = False
        world.cluster.end(world.cluster.running()[0], 0)
        await watches(world, 4)
        assert await is_set_within(wake, PATIENCE_SECONDS)


async def test_after_a_while_without_the_server_the_loop_is_woken(
    world: KubernetesWorld,
) -> None:
    async with watching(world) as wake:
        await watches(world, 2)
        await world.server.stop()
        await asyncio.sleep(0.1)
        wake.clear()
        await world.server.start()
        assert await is_set_within(wake, PATIENCE_SECONDS)


async def test_the_orchestrator_watches_and_stops_at_once(world: KubernetesWorld) -> None:
    settings = Settings.model_validate(
        {
            "executor": "kubernetes",
            "token": "secret",
            "url": "http://api.invalid:8000",
            "bootstrap_servers": "kafka.invalid:9092",
        }
    )
    async with build(settings) as orchestrator:
        running = asyncio.create_task(orchestrator.run())
        await watches(world, 2)
        orchestrator.stop()
        async with asyncio.timeout(PATIENCE_SECONDS):
            await running
