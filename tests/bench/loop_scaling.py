"""What a second replica is worth, on two partitions and two cores, bound by the model.

All records are in the input topic before a replica starts, so nobody sends meanwhile. What
counts is the time in which every replica answers, by the timestamps of the answers.
"""

import statistics
from collections import defaultdict

from tests.bench.loop_engines import heavy
from tests.bench.loop_replicas import replicas
from tests.bench.loop_runs import Bench, check, wait_for

from inferencer.answers import MODEL_HEADER
from kafkaml.schemas.outputs import Guarantee

GOAL = 1.8
ROUNDS = 2
PARTITIONS = 2
SETTLING_MS = 500
# The broker and the clients need the same two cores: the model has to be what takes them.
REPEATS = 8


def measure(bench: Bench) -> list[str]:
    """Return the rates of one and of two replicas, and their ratio."""
    records = bench.records // 2
    topic = bench.filled_topic(records, partitions=PARTITIONS)
    rounds = [
        [rate(bench, topic, records, count, repeats=REPEATS) for count in (1, 2)]
        for _ in range(ROUNDS)
    ]
    one, two = (statistics.median(each) for each in zip(*rounds, strict=True))
    ratios = [second / first for first, second in rounds]
    spread = f"from {min(ratios):.2f} to {max(ratios):.2f}; goal: at least {GOAL}"
    return [
        f"one replica {one:.0f}, two {two:.0f} records/s",
        f"two replicas / one                 {statistics.median(ratios):10.2f} ({spread})",
    ]


def rate(bench: Bench, topic: str, records: int, count: int, *, repeats: int = 4) -> float:
    """Return the records per second of replicas while all of them answer."""
    order = bench.order(topic, Guarantee.AT_LEAST_ONCE)
    with replicas(bench, order, count, repeats=repeats):
        # Each question takes a client of its own, and nobody waits for the answer.
        wait_for(lambda: bench.topics.count(order.output_topic), records, pause=1)
    answers = check(bench, order, records, heavy(repeats), partitions=PARTITIONS)
    times: dict[bytes | None, list[int]] = defaultdict(list)
    for answer in answers:
        times[dict(answer.headers())[MODEL_HEADER]].append(answer.timestamp()[1])
    if len(times) != count:
        raise ValueError(f"{len(times)} of {count} replicas answered")
    began = max(min(each) for each in times.values()) + SETTLING_MS
    ended = min(max(each) for each in times.values())
    if ended - began < SETTLING_MS:
        raise ValueError("too few records: the replicas had too little time together")
    within = sum(began < at <= ended for each in times.values() for at in each)
    return 1000.0 * within / (ended - began)
