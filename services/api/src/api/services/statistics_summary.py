"""From what replicas counted to what an inference did."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from api.services.model_summary import models_of
from api.services.percentiles import percentiles_of
from api.tables.inference_statistics_row import InferenceStatisticsRow
from kafkaml.schemas.statistics import (
    LATENCY_BOUNDS_SECONDS,
    InferenceStatistics,
    Latency,
    PartitionLag,
    RecentFigures,
    ReplicaStatistics,
    StatisticsReport,
    WindowDrift,
)


def summarise(
    inference_id: int, rows: Sequence[InferenceStatisticsRow], *, at: datetime
) -> InferenceStatistics:
    """Return the sum of the reports of replicas."""
    told = [(row, row.to_report()) for row in rows]
    reports = [report for _, report in told]
    recent = [report.recent for report in reports]
    lags = _lags(reports)
    replicas = [_replica(report, row.reported_at) for row, report in told]
    return InferenceStatistics(
        inference_id=inference_id,
        at=at,
        answers=sum(each.answers for each in reports),
        dead_letters=_sum(each.dead_letters for each in reports),
        errors=_sum(each.errors for each in reports),
        records_per_second=sum(_rate(each) for each in recent),
        batch_records=_batch_records(recent),
        stage_microseconds=_stage_microseconds(recent),
        latency=latency_of([each.latency_counts for each in recent]),
        lag=sum(lags.values()),
        lags=[
            PartitionLag(partition=partition, records=lags[partition])
            for partition in sorted(lags)
        ],
        drift=furthest(reports),
        models=models_of(reports),
        replicas=sorted(replicas, key=lambda each: (each.replica, each.instance)),
    )


def furthest(reports: Iterable[StatisticsReport]) -> WindowDrift | None:
    """Return the window that is furthest from the training, if there is a full one."""
    windows = [each.drift for each in reports if each.drift is not None]
    return max(windows, key=lambda each: each.level, default=None)


def latency_of(counts: Sequence[Sequence[int]]) -> Latency | None:
    """Return percentiles of the sum of counts in the bins of latencies; None for none."""
    found = percentiles_of(counts, bounds=LATENCY_BOUNDS_SECONDS)
    return Latency(**found) if found else None


def _replica(report: StatisticsReport, reported_at: datetime) -> ReplicaStatistics:
    return ReplicaStatistics(
        replica=report.replica,
        instance=report.instance,
        reported_at=reported_at,
        uptime_seconds=report.uptime_seconds,
        answers=report.answers,
        dead_letters=sum(report.dead_letters.values()),
        errors=sum(report.errors.values()),
        lag=sum(each.records for each in report.lags),
        records_per_second=_rate(report.recent),
        drift=report.drift,
    )


def _lags(reports: Iterable[StatisticsReport]) -> dict[int, int]:
    """Return the lag of each partition; of one that has just moved, the smaller one."""
    found: dict[int, int] = {}
    for report in reports:
        for each in report.lags:
            known = found.get(each.partition, each.records)
            found[each.partition] = min(known, each.records)
    return found


def _rate(recent: RecentFigures) -> float:
    return recent.records / recent.seconds if recent.seconds else 0.0


def _batch_records(recent: Sequence[RecentFigures]) -> float | None:
    batches = sum(each.batches for each in recent)
    return sum(each.records for each in recent) / batches if batches else None


def _stage_microseconds(recent: Sequence[RecentFigures]) -> dict[str, float]:
    records = sum(each.records for each in recent)
    seconds = {stage: 0.0 for each in recent for stage in each.stage_seconds}
    for each in recent:
        for stage, spent in each.stage_seconds.items():
            seconds[stage] += spent
    return {stage: spent / records * 1e6 for stage, spent in seconds.items() if records}


def _sum(counts: Iterable[Mapping[str, int]]) -> dict[str, int]:
    total: Counter[str] = Counter()
    for each in counts:
        total.update(each)
    return dict(total)
