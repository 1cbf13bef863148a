"""Schedules the passes, and does nothing else."""

import asyncio
import random
from datetime import timedelta

import structlog

from kafkaml.backoff import is_set_within
from kafkaml.heartbeat import Heartbeat
from orchestrator.metrics import Metrics
from orchestrator.reconcile import Reconciler

LONGEST_INTERVAL = timedelta(seconds=10)
LAST_PASS_TIMEOUT = timedelta(seconds=10)
LAST_ACTIONS_TIMEOUT = timedelta(seconds=10)
# Many events at once shall cost one pass, not one each.
SHORTEST_INTERVAL_SECONDS = 0.1

logger = structlog.stdlib.get_logger(__name__)


class ReconcileLoop:
    """Runs a pass each interval ± 20 %, at once when woken, rarer while passes fail.

    `wake` is cleared when a pass begins: what happens from then on leads to the next one.
    The heartbeat says that the loop turns, even while passes fail: to start a process
    again does not bring back an API that is away. `last_success` says when one went well.
    """

    def __init__(
        self,
        *,
        reconciler: Reconciler,
        metrics: Metrics,
        wake: asyncio.Event,
        interval: timedelta,
        heartbeat: Heartbeat,
    ) -> None:
        self._reconciler = reconciler
        self._metrics = metrics
        self._wake = wake
        self._interval = interval
        self._heartbeat = heartbeat
        self._failures = 0
        self._is_behind = False

    async def run(self, stop: asyncio.Event) -> None:
        """Run until `stop` is set (and `wake`, to notice it at once).

        What has begun is finished, unless it takes longer than `LAST_PASS_TIMEOUT` and
        `LAST_ACTIONS_TIMEOUT`.
        """
        while not stop.is_set():
            self._wake.clear()
            await _finish(asyncio.create_task(self._run_pass()), stop)
            await self._beat()
            await is_set_within(stop, SHORTEST_INTERVAL_SECONDS)
            await is_set_within(self._wake, self._rest_seconds())
        await self._reconciler.finish(LAST_ACTIONS_TIMEOUT)

    async def _run_pass(self) -> None:
        self._is_behind = False
        try:
            with self._metrics.pass_seconds.time():
                summary = await self._reconciler.run_pass()
        except Exception as e:  # noqa: BLE001 - the loop outlives every fault
            self._failures += 1
            self._metrics.failed_passes.inc()
            logger.warning("the pass failed", error=str(e) or type(e).__name__)
        else:
            self._failures = 0
            self._is_behind = bool(summary.postponed)
            self._metrics.last_success.set_to_current_time()
            logger.debug("passed", wanted=summary.wanted, seen=summary.seen)

    async def _beat(self) -> None:
        try:
            await asyncio.to_thread(self._heartbeat.beat)
        except OSError as e:
            logger.warning("no heartbeat", error=str(e))

    def _rest_seconds(self) -> float:
        if self._is_behind:
            return 0
        longest = max(self._interval, LONGEST_INTERVAL)
        interval = min(self._interval * (1 << min(self._failures, 16)), longest)
        return interval.total_seconds() * random.uniform(0.8, 1.2)  # noqa: S311 - jitter


async def _finish(task: asyncio.Task[None], stop: asyncio.Event) -> None:
    """Wait for a task; from `stop` on it has `LAST_PASS_TIMEOUT` to end."""
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait({task, stopping}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if not task.done():
        await asyncio.wait({task}, timeout=LAST_PASS_TIMEOUT.total_seconds())
        task.cancel()
