"""What the loop of the inferencer costs, as ratios taken in this run on a real broker.

    tests/bench/inference_loop.py [RECORDS] [ROUNDS]

KAFKA_ML_BOOTSTRAP_SERVERS names a broker; without it one is started.
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # one core for the model, as a replica

import statistics
import sys
import tempfile
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


def main() -> None:
    """Print each figure with its goal; exit 1 if an answer is missing, double or wrong."""
    configure_logging(LogSettings(log_level="error"))
    records = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 3
    with tempfile.TemporaryDirectory() as folder, broker(Path(folder)) as servers:
        bench = Bench(Topics(servers), records)
        _throughput(bench, rounds)
        _slow_model(bench, rounds)
        for part in (loop_latency, loop_scaling, loop_half_load):
            for line in part.measure(bench):
                print(f"  {line}", flush=True)


def _throughput(bench: Bench, rounds: int) -> None:
    topic = bench.filled_topic(bench.records)
    engine, results = light(), []
    for _ in range(rounds):
        model = records_per_second(engine, batch=BATCH)
        bare = bare_rate(bench, topic, bench.records)
        empty = loop_rate(bench, topic, bench.records, NoModel(), AT_LEAST)
        loop = loop_rate(bench, topic, bench.records, engine, AT_LEAST)
        once = loop_rate(bench, topic, bench.records, engine, ONCE)
        results.append((model, bare, empty, loop, once))
    model, bare, empty, loop, once = (
        statistics.median(each) for each in zip(*results, strict=True)
    )
    print(f"  bare model, batches of {BATCH}       {model:10.0f} records/s")
    print(f"  bare clients                       {bare:10.0f} records/s")
    print(f"  loop without a model               {empty:10.0f} records/s")
    print(f"  loop                               {loop:10.0f} records/s")
    print(f"  loop, exactly once                 {once:10.0f} records/s")
    bound = [_bound(each[0], each[1]) for each in results]
    _ratio(
        "loop / harmonic bound",
        [each[3] / most for each, most in zip(results, bound, strict=True)],
        goal=0.80,
    )
    _ratio(
        "exactly once / at least once", [each[4] / each[3] for each in results], goal=0.90
    )


def _slow_model(bench: Bench, rounds: int) -> None:
    records = bench.records // 5
    topic = bench.filled_topic(records)
    engine, ratios = heavy(), []
    for _ in range(rounds):
        model = records_per_second(engine, batch=BATCH)
        ratios.append(loop_rate(bench, topic, records, engine, AT_LEAST) / model)
    print(f"  slow model                         {1e6 / model:10.0f} us/record")
    _ratio("loop / bare model", ratios, goal=0.85)


def _bound(one: float, other: float) -> float:
    return 1 / (1 / one + 1 / other)


def _ratio(name: str, ratios: list[float], *, goal: float) -> None:
    low, high = min(ratios), max(ratios)
    middle = statistics.median(ratios)
    spread = f"from {low:.2f} to {high:.2f}; goal: at least {goal:.2f}"
    print(f"  {name:30}     {middle:10.2f} ({spread})", flush=True)


if __name__ == "__main__":
    main()
