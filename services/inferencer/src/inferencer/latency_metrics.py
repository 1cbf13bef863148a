"""Latencies as Prometheus takes them."""

from collections.abc import Iterator
from itertools import accumulate

from prometheus_client.core import HistogramMetricFamily
from prometheus_client.registry import Collector

from inferencer.latencies import Latencies
from kafkaml.schemas.statistics import LATENCY_BOUNDS_SECONDS

EVERY = 4  # of the bounds: one an octave


class LatencyCollector(Collector):
    """Shows the counts of `latencies` when it is asked; the loop does nothing more."""

    def __init__(self, latencies: Latencies) -> None:
        self._latencies = latencies

    def collect(self) -> Iterator[HistogramMetricFamily]:
        sums = list(accumulate(self._latencies.counts))
        buckets = [
            (f"{LATENCY_BOUNDS_SECONDS[place]:.6g}", float(sums[place]))
            for place in range(0, len(LATENCY_BOUNDS_SECONDS), EVERY)
        ]
        yield HistogramMetricFamily(
            "kafkaml_inferencer_latency_seconds",
            "From the timestamp of a record to its answer",
            buckets=[*buckets, ("+Inf", float(sums[-1]))],
            sum_value=self._latencies.sum_seconds,
        )
