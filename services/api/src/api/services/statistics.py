"""What replicas count, and when their records count as drifted."""

from api.services.statistics_summary import furthest, summarise
from api.storage.unit_of_work import UnitOfWork
from api.tables.base import utc_now
from api.tables.inference_row import InferenceRow
from kafkaml.events import InferenceDrifted, InferenceDriftEnded
from kafkaml.schemas.statistics import (
    DriftAlarm,
    InferenceStatistics,
    StatisticsReport,
    WindowDrift,
)

# A level near its limit would otherwise begin and end an alarm with each window.
END_LEVEL = 0.8


class StatisticsService:
    """Keeps and sums statistics."""

    def __init__(self, *, work: UnitOfWork) -> None:
        self._work = work

    async def keep(self, inference: InferenceRow, report: StatisticsReport) -> None:
        """Keep what a replica of a locked inference tells, and tell of drift, once."""
        await self._work.statistics.put(inference, report)
        window = report.drift
        if window is None or window.training_id != inference.training_id:
            return
        if inference.drift_alarm is None and window.level >= 1:
            await self._begin_alarm(inference, report.replica, window)
        elif inference.drift_alarm is not None and window.level < END_LEVEL:
            await self._end_alarm(inference)

    async def summary(self, inference_id: int) -> InferenceStatistics:
        """Return what the replicas of an inference count in all."""
        inference = await self._work.inferences.get(inference_id)
        rows = await self._work.statistics.live(inference)
        found = summarise(inference_id, rows, at=utc_now())
        alarm = inference.drift_alarm
        return found.model_copy(
            update={"drift_alarm": alarm and DriftAlarm.model_validate(alarm)}
        )

    async def _begin_alarm(
        self, inference: InferenceRow, replica: int, window: WindowDrift
    ) -> None:
        reason = reason_of(window, replica=replica)
        alarm = DriftAlarm(since=utc_now(), reason=reason)
        await self._work.inferences.change(
            inference, drift_alarm=alarm.model_dump(mode="json")
        )
        self._work.outbox.add_event(
            InferenceDrifted(
                id=inference.id, training_id=inference.training_id, reason=reason
            )
        )

    async def _end_alarm(self, inference: InferenceRow) -> None:
        """End the alarm unless the records of another replica are still far off."""
        rows = await self._work.statistics.live(inference)
        window = furthest(row.to_report() for row in rows)
        if window is not None and window.level >= END_LEVEL:
            return
        await self._work.inferences.change(inference, drift_alarm=None)
        self._work.outbox.add_event(
            InferenceDriftEnded(id=inference.id, training_id=inference.training_id)
        )


def reason_of(window: WindowDrift, *, replica: int) -> str:
    """Say which figures of a window reach their limits."""
    parts = []
    features, classes = window.features, window.classes
    if features:
        off = [
            f"{each.name or each.feature} (PSI {each.psi:.2g}, KS {each.ks:.2g})"
            for each in features.top
            if each.psi >= features.psi_limit or each.ks >= features.ks_limit
        ]
        if off:
            limits = f"{features.psi_limit:.2g} and {features.ks_limit:.2g}"
            parts.append(f"features above their limits {limits}: {', '.join(off)}")
    if classes and (classes.psi >= classes.psi_limit or classes.ks >= classes.ks_limit):
        parts.append(
            f"predicted classes: PSI {classes.psi:.2g} (limit {classes.psi_limit:.2g}), "
            f"KS {classes.ks:.2g} (limit {classes.ks_limit:.2g})"
        )
    told = "; ".join(parts) or f"level {window.level:.2g}"
    return f"the last {window.records} records of replica {replica} differ: {told}"
