"""What the loop of the inferencer costs, as ratios taken in this run on a real broker.

    tests/bench/inference_loop.py [FIGURE ...]    all by default

KAFKA_ML_BOOTSTRAP_SERVERS names a broker; without it one is started.
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # one core for the model, as a replica

import statistics
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.bench import loop_half_load, loop_latency, loop_scaling
from tests.bench.brokers import broker
from tests.bench.loop_engines import NoModel, heavy, light, records_per_second
from tests.bench.loop_runs import BATCH, Bench, bare_rate, loop_rate
from tests.inferencer.topics import Topics

from kafkaml.config import LogSettings
from kafkaml.logging import configure_logging
from kafkaml.schemas.outputs import Guarantee

ONCE, AT_LEAST = Guarantee.EXACTLY_ONCE, Guarantee.AT_LEAST_ONCE
RECORDS = 100_000
ROUNDS = 3


def main(wanted: list[str]) -> None:
    """Print each figure with its goal; exit 1 if an answer is missing, double or wrong."""
    configure_logging(LogSettings(log_level="error"))
    if unknown := set(wanted) - set(FIGURES):
        sys.exit(f"no figure {', '.join(sorted(unknown))}: there are {', '.join(FIGURES)}")
    with tempfile.TemporaryDirectory() as folder, broker(Path(folder)) as servers:
        bench = Bench(Topics(servers), RECORDS)
        for name in wanted or FIGURES:
            for line in FIGURES[name](bench):
                print(f"  {line}", flush=True)


def _throughput(bench: Bench) -> Iterator[str]:
    topic = bench.filled_topic(bench.records)
    engine, results = light(), []
    for _ in range(ROUNDS):
        model = records_per_second(engine, batch=BATCH)
        bare = bare_rate(bench, topic, bench.records)
        empty = loop_rate(bench, topic, bench.records, NoModel(), AT_LEAST)
        loop = loop_rate(bench, topic, bench.records, engine, AT_LEAST)
        once = loop_rate(bench, topic, bench.records, engine, ONCE)
        results.append((model, bare, empty, loop, once))
    model, bare, empty, loop, once = (
        statistics.median(each) for each in zip(*results, strict=True)
    )
    yield f"bare model, batches of {BATCH}       {model:10.0f} records/s"
    yield f"bare clients                       {bare:10.0f} records/s"
    yield f"loop without a model               {empty:10.0f} records/s"
    yield f"loop                               {loop:10.0f} records/s"
    yield f"loop, exactly once                 {once:10.0f} records/s"
    bound = [_bound(each[0], each[1]) for each in results]
    yield _ratio(
        "loop / harmonic bound",
        [each[3] / most for each, most in zip(results, bound, strict=True)],
        goal=0.80,
    )
    yield _ratio(
        "exactly once / at least once", [each[4] / each[3] for each in results], goal=0.90
    )


def _slow_model(bench: Bench) -> Iterator[str]:
    records = bench.records // 5
    topic = bench.filled_topic(records)
    engine, ratios = heavy(), []
    for _ in range(ROUNDS):
        model = records_per_second(engine, batch=BATCH)
        ratios.append(loop_rate(bench, topic, records, engine, AT_LEAST) / model)
    yield f"slow model                         {1e6 / model:10.0f} us/record"
    yield _ratio("loop / bare model", ratios, goal=0.85)


def _bound(one: float, other: float) -> float:
    return 1 / (1 / one + 1 / other)


def _ratio(name: str, ratios: list[float], *, goal: float) -> str:
    low, high = min(ratios), max(ratios)
    middle = statistics.median(ratios)
    spread = f"from {low:.2f} to {high:.2f}; goal: at least {goal:.2f}"
    return f"{name:30}     {middle:10.2f} ({spread})"


FIGURES: dict[str, Callable[[Bench], Iterable[str]]] = {
    "throughput": _throughput,
    "slow_model": _slow_model,
    "latency": loop_latency.measure,
    "replicas": loop_scaling.measure,
    "half_load": loop_half_load.measure,
}


if __name__ == "__main__":
    main(sys.argv[1:])
