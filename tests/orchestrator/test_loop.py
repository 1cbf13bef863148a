import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

from kafkaml.heartbeat import Heartbeat
from kafkaml.schemas.workloads import Workload
from orchestrator.loop import ReconcileLoop
from orchestrator.reconcile import Reconciler

from .builders import workload
from .world import World

HOUR = timedelta(hours=1)


@asynccontextmanager
async def looping(
    world: World,
    interval: timedelta,
    heartbeat_file: Path | None = None,
    *,
    reconciler: Reconciler | None = None,
) -> AsyncIterator[asyncio.Event]:
    """Run the loop; the event that is yielded is its wake-up."""
    wake, stop = asyncio.Event(), asyncio.Event()
    loop = ReconcileLoop(
        reconciler=reconciler or world.reconciler,
        metrics=world.metrics,
        wake=wake,
        interval=interval,
        heartbeat=Heartbeat(heartbeat_file),
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


async def test_what_has_begun_is_finished_at_the_end(world: World) -> None:
    reconciler = world.another(patience=timedelta(seconds=0.02))
    world.executor.slow = {workload().name}
    world.api.want(workload())
    async with looping(world, HOUR, reconciler=reconciler):
        while not world.api.tokens:
            await asyncio.sleep(0.01)
        asyncio.get_running_loop().call_later(0.2, world.executor.may_go_on.set)
    assert len(world.running()) == 1


async def test_what_had_no_turn_has_it_in_the_next_pass_at_once(world: World) -> None:
    reconciler = world.another(patience=timedelta(seconds=0.05))
    for number in range(1, 41):
        world.api.want(workload(number=number))
    world.executor.slow = set(world.api.workloads)
    async with looping(world, HOUR, reconciler=reconciler):
        await asyncio.sleep(0.1)
        world.executor.may_go_on.set()
        await running(world, 40)


async def test_the_heart_beats_whether_or_not_the_passes_go_through(
    world: World, tmp_path: Path
) -> None:
    heartbeat = tmp_path / "heartbeat"
    world.api.faults = ["refused"] * 2
    async with looping(world, timedelta(seconds=0.05), heartbeat):
        await beaten(heartbeat)
        assert not last_success(world)
        heartbeat.unlink()
        async with asyncio.timeout(5):
            while not last_success(world):
                await asyncio.sleep(0.01)
        await beaten(heartbeat)


async def test_a_heartbeat_that_cannot_be_written_stops_nothing(
    world: World, tmp_path: Path
) -> None:
    async with looping(world, timedelta(seconds=0.05), tmp_path / "missing" / "heartbeat"):
        await asyncio.sleep(0.05)
        world.api.want(workload())
        await running(world, 1)


async def beaten(heartbeat: Path) -> None:
    async with asyncio.timeout(5):
        while not await asyncio.to_thread(heartbeat.exists):
            await asyncio.sleep(0.01)


def last_success(world: World) -> float | None:
    return world.metrics.registry.get_sample_value(
        "kafkaml_orchestrator_last_success_timestamp_seconds"
    )
