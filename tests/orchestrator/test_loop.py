import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

from kafkaml.schemas.workloads import Workload
from orchestrator.loop import ReconcileLoop

from .builders import workload
from .world import World

HOUR = timedelta(hours=1)


@asynccontextmanager
async def looping(
    world: World, interval: timedelta, heartbeat_file: Path | None = None
) -> AsyncIterator[asyncio.Event]:
    """Run the loop; the event that is yielded is its wake-up."""
    wake, stop = asyncio.Event(), asyncio.Event()
    loop = ReconcileLoop(
        reconciler=world.reconciler,
        metrics=world.metrics,
        wake=wake,
        interval=interval,
        heartbeat_file=heartbeat_file,
    )
    task = asyncio.create_task(loop.run(stop))
    try:
        yield wake
    finally:
        stop.set()
        wake.set()
        await asyncio.wait_for(task, 5)


async def running(world: World, number: int) -> None:
    async with asyncio.timeout(5):
        while len(world.running()) != number:
            await asyncio.sleep(0.01)


async def test_it_passes_again_and_again_and_survives_faults(world: World) -> None:
    world.api.faults = ["refused", "refused"]
    async with looping(world, timedelta(seconds=0.02)):
        world.api.want(workload(number=1))
        await running(world, 1)
        world.api.want(workload(number=2))
        await running(world, 2)


async def test_a_wake_up_leads_to_a_pass_at_once(world: World) -> None:
    async with looping(world, HOUR) as wake:
        await asyncio.sleep(0.05)
        world.api.want(workload())
        wake.set()
        await running(world, 1)


async def test_a_pass_that_has_begun_is_finished(world: World) -> None:
    begun = asyncio.Event()
    wanted = world.api.wanted

    async def slow() -> Sequence[Workload]:
        begun.set()
        await asyncio.sleep(0.2)
        return await wanted()

    world.api.wanted = slow  # type: ignore[method-assign]  # a slow fake
    world.api.want(workload())
    async with looping(world, HOUR):
        await begun.wait()
    assert len(world.running()) == 1


async def test_a_pass_that_went_through_leaves_a_heartbeat(
    world: World, tmp_path: Path
) -> None:
    heartbeat = tmp_path / "heartbeat"
    async with looping(world, HOUR, heartbeat):
        async with asyncio.timeout(5):
            while not heartbeat.exists():
                await asyncio.sleep(0.01)
    assert world.metrics.registry.get_sample_value(
        "kafkaml_orchestrator_last_success_timestamp_seconds"
    )
