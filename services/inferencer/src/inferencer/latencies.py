"""How long records waited for their answers, in bins that all replicas share."""

import time
from bisect import bisect_left
from collections.abc import Iterable

from kafkaml.schemas.statistics import LATENCY_BOUNDS_SECONDS


class Latencies:
    """Counts records by the seconds from their timestamp until now.

    The clocks of producer and replica may differ; what seems to come from the future counts
    as just now.
    """

    def __init__(self) -> None:
        self.counts = [0] * (len(LATENCY_BOUNDS_SECONDS) + 1)
        self.sum_seconds = 0.0

    def add(self, timestamps_ms: Iterable[int], *, weight: int) -> None:
        """Count records by their timestamps, each as `weight` of them."""
        now = time.time()
        for each in timestamps_ms:
            seconds = max(now - each / 1000, 0.0)
            self.counts[bisect_left(LATENCY_BOUNDS_SECONDS, seconds)] += weight
            self.sum_seconds += seconds * weight
