"""From what each replica's models did to what each model did."""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

from api.services.percentiles import percentiles_of
from kafkaml.schemas.statistics import (
    CALL_BOUNDS_SECONDS,
    CallTime,
    ModelFigures,
    ModelRole,
    ModelStatistics,
    Score,
    StatisticsReport,
)


def models_of(reports: Iterable[StatisticsReport]) -> list[ModelStatistics]:
    """Return the models of the newest revision that a replica serves, primary first."""
    told = [each for report in reports for each in report.models]
    newest = max((each.revision for each in told), default=0)
    by_role: defaultdict[ModelRole, list[ModelFigures]] = defaultdict(list)
    for each in told:
        if each.revision == newest:
            by_role[each.role].append(each)
    return [_summarised(by_role[role]) for role in ModelRole if role in by_role]


def _summarised(told: Sequence[ModelFigures]) -> ModelStatistics:
    calls = [each.call_counts for each in told]
    found = percentiles_of(calls, bounds=CALL_BOUNDS_SECONDS)
    answered = sum(each.answered for each in told)
    failed = sum(each.failed for each in told)
    asked, called = answered + failed, sum(map(sum, calls))
    seconds = sum(each.call_seconds for each in told)
    return ModelStatistics(
        role=told[0].role,
        training_id=told[0].training_id,
        model_version=told[0].model_version,
        answered=answered,
        failed=failed,
        dropped=sum(each.dropped for each in told),
        unsent=sum(each.unsent for each in told),
        trouble=next((each.trouble for each in told if each.trouble), None),
        microseconds=seconds / asked * 1e6 if asked else None,
        call=CallTime(**found) if found else None,
        records_per_call=asked / called if called else None,
        looked_at=sum(each.looked_at for each in told),
        not_finite=sum(each.not_finite for each in told),
        score=_score(told),
        classes=_classes(told),
    )


def _score(told: Sequence[ModelFigures]) -> Score | None:
    count = sum(each.looked_at - each.not_finite for each in told)
    if count <= 0:
        return None
    mean = sum(each.score_sum for each in told) / count
    square = sum(each.score_square_sum for each in told) / count
    return Score(mean=mean, deviation=math.sqrt(max(square - mean * mean, 0.0)))


def _classes(told: Sequence[ModelFigures]) -> dict[str, float]:
    counts: Counter[str] = Counter()
    for each in told:
        counts.update(each.classes)
    total = counts.total()
    numbers = sorted(counts, key=int)
    return {number: counts[number] / total for number in numbers if counts[number]}
