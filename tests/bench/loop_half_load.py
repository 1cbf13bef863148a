"""How much longer than usual an answer takes now and then, at half of what is possible."""

import secrets
import statistics
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.bench.loop_engines import heavy
from tests.bench.loop_replicas import replicas
from tests.bench.loop_runs import Bench, check, wait_for
from tests.bench.loop_scaling import PARTITIONS, rate

from kafkaml.schemas.outputs import Guarantee

GOAL = 3.0
SECONDS = 8.0
WARM_UP_SECONDS = 2.0
QUEUE = 2.0
SENDER = Path(__file__).with_name("loop_sender.py")


def measure(bench: Bench) -> Iterator[str]:
    """Yield the rate of one saturated replica, and its latencies at half of it."""
    saturated = bench.filled_topic(bench.records, partitions=PARTITIONS)
    possible = rate(bench, saturated, bench.records, 1)
    milliseconds = _latencies(bench, possible / 2)
    p50, p99 = (statistics.quantiles(milliseconds, n=100)[at - 1] for at in (50, 99))
    middle = len(milliseconds) // 2
    earlier, later = milliseconds[:middle], milliseconds[middle:]
    if statistics.median(later) > QUEUE * statistics.median(earlier):
        yield "a queue grew at half load: take the next figure on a quieter machine"
    yield from [
        f"saturated {possible:.0f} records/s; at half: p50 {p50:.0f} ms, p99 {p99:.0f} ms",
        f"p99 / p50 at half load             {p99 / p50:10.2f} (goal: at most {GOAL:g})",
    ]


def _latencies(bench: Bench, per_second: float) -> list[int]:
    """Return the milliseconds from when each record was due until Kafka had its answer."""
    topic = f"bench-in-{secrets.token_hex(4)}"
    bench.topics.create(topic)
    order = bench.order(topic, Guarantee.AT_LEAST_ONCE, is_timed_by_broker=True)
    records = int(per_second * SECONDS)
    arguments = [bench.topics.bootstrap_servers, topic, str(per_second), str(records)]
    with replicas(bench, order, 1):
        subprocess.run([sys.executable, SENDER, *arguments], check=True)
        wait_for(lambda: bench.topics.count(order.output_topic), records)
    answers = check(bench, order, records, heavy())
    sent = [each.timestamp()[1] for each in bench.topics.read(topic, records)]
    taken = [answer.timestamp()[1] - at for answer, at in zip(answers, sent, strict=True)]
    return taken[int(per_second * WARM_UP_SECONDS) :]
