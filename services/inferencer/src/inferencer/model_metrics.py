"""What each model did, as Prometheus takes it."""

from collections.abc import Iterator, Sequence
from itertools import accumulate

from prometheus_client.core import (
    CounterMetricFamily,
    HistogramMetricFamily,
    Metric,
    SummaryMetricFamily,
)
from prometheus_client.registry import Collector

from inferencer.model_counts import ModelCounts
from inferencer.served_model import ServedModel
from kafkaml.schemas.statistics import CALL_BOUNDS_SECONDS

EVERY = 4  # of the bounds: one an octave
MAX_SHOWN_CLASSES = 100
LABELS = ("role", "model")


class ModelCollector(Collector):
    """Shows the counts of the models that are served; they begin anew with a revision."""

    def __init__(self, served: ServedModel) -> None:
        self._served = served

    def collect(self) -> Iterator[Metric]:
        counts = self._served.counts
        yield _records(counts)
        yield _calls(counts)
        yield _not_finite(counts)
        yield _scores(counts)
        yield _classes(counts)


def _records(counts: Sequence[ModelCounts]) -> Metric:
    family = CounterMetricFamily(
        "kafkaml_inferencer_model_records",
        "Records by what became of them at a model",
        labels=[*LABELS, "outcome"],
    )
    for each in counts:
        for outcome in ("answered", "failed", "dropped", "unsent"):
            family.add_metric([each.role, each.model, outcome], getattr(each, outcome))
    return family


def _calls(counts: Sequence[ModelCounts]) -> Metric:
    family = HistogramMetricFamily(
        "kafkaml_inferencer_model_call_seconds",
        "Time of one call of a model with a batch",
        labels=LABELS,
    )
    for each in counts:
        sums = list(accumulate(each.call_counts))
        buckets = [
            (f"{CALL_BOUNDS_SECONDS[place]:.6g}", float(sums[place]))
            for place in range(0, len(CALL_BOUNDS_SECONDS), EVERY)
        ]
        family.add_metric(
            [each.role, each.model],
            buckets=[*buckets, ("+Inf", float(sums[-1]))],
            sum_value=each.call_seconds,
        )
    return family


def _not_finite(counts: Sequence[ModelCounts]) -> Metric:
    family = CounterMetricFamily(
        "kafkaml_inferencer_model_not_finite",
        "Answers with a number that is none, of those that were looked at",
        labels=LABELS,
    )
    for each in counts:
        family.add_metric([each.role, each.model], each.not_finite)
    return family


def _scores(counts: Sequence[ModelCounts]) -> Metric:
    family = SummaryMetricFamily(
        "kafkaml_inferencer_model_score",
        "Largest number of each answer, of those that are finite and were looked at",
        labels=LABELS,
    )
    for each in counts:
        finite = each.looked_at - each.not_finite
        family.add_metric([each.role, each.model], finite, each.score_sum)
    return family


def _classes(counts: Sequence[ModelCounts]) -> Metric:
    family = CounterMetricFamily(
        "kafkaml_inferencer_model_classes",
        "Answers by their likeliest class, of those that were looked at",
        labels=[*LABELS, "class"],
    )
    for each in counts:
        for number, count in each.classes.items():
            if number < MAX_SHOWN_CLASSES:
                family.add_metric([each.role, each.model, str(number)], count)
    return family
