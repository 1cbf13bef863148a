"""Thousands of workloads at once, on a cluster in memory behind HTTP.

Postgres, the API, the reconciler and its Kubernetes executor are real, each in a process
of its own; no topics are made. Run it by `make bench-scale`. CPU times are there because
they say the same on a machine that has other work.
"""

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from tests.bench.scale_place import Place, Size, running_place  # noqa: E402
from tests.bench.scale_processes import Cluster, Orchestrator, Pass  # noqa: E402

FEW = 100
LOOKS = 10
GETS = 40
ROUNDS = 5
MIB = 2**20


async def measure_history(place: Place) -> list[str]:
    """Return what finished trainings cost."""
    await place.database.add_trainings(1, "finished")
    few_get, few_pass = await _look_at_few(place)
    await place.database.add_trainings(place.size.finished, "finished")
    many_get, many_pass = await _look_at_few(place)
    return [
        _line("CPU of GET /workloads, nothing finished", few_get * 1e3, "ms"),
        _line("CPU of GET /workloads, with them", many_get * 1e3, "ms"),
        _line("CPU of a quiet pass, nothing finished", few_pass * 1e3, "ms"),
        _line("CPU of a quiet pass, with them", many_pass * 1e3, "ms"),
        _line("ratio with / without, GET", many_get / few_get),
        _line("ratio with / without, pass", many_pass / few_pass),
    ]


async def _look_at_few(place: Place) -> tuple[float, float]:
    """Return the least CPU time that a GET costs the API, and a pass the orchestrator."""
    await place.database.delete_active()
    await place.database.add_trainings(FEW, "queued")
    with (
        Cluster.running(place.folder) as cluster,
        Orchestrator.running(cluster, api=place.api) as orchestrator,
    ):
        orchestrator.settle()
        passes = orchestrator.rest()
        gets = [await _cpu_of_get(place, cluster) for _ in range(ROUNDS)]
    return min(gets), min(x["cpu"] for x in passes)


async def _cpu_of_get(place: Place, cluster: Cluster) -> float:
    cpu = place.api_seconds()
    for _ in range(GETS):
        await place.bare(cluster).wanted_seconds()
    return (place.api_seconds() - cpu) / GETS


async def measure_start(place: Place) -> list[str]:
    """Return what it takes to start everything, and then to keep looking at it."""
    await place.want_all()
    with Cluster.running(place.folder) as cluster:
        bare, cpu = place.bare(cluster), time.process_time()
        bare_seconds, bare_objects = await bare.start_all()
        bare_cpu = time.process_time() - cpu
        looks = [await bare.look_seconds() for _ in range(LOOKS)]
        gets = [await bare.wanted_seconds() for _ in range(LOOKS)]
    with Cluster.running(place.folder) as cluster:
        calls, api_cpu = place.api_calls(), place.api_seconds()
        with Orchestrator.running(cluster, api=place.api) as orchestrator:
            passes = orchestrator.settle()
            requests, calls = cluster.requests(), place.api_calls() - calls
            api_cpu = place.api_seconds() - api_cpu
            quiet = orchestrator.rest()
            quiet_requests = cluster.requests() - requests
    seconds, objects = _seconds_to_start(passes), requests["POST"]
    own_cpu = sum(x["cpu"] for x in passes)
    return [
        _line("objects", objects),
        _line("bare calls, 16 at once", bare_seconds, f"s  ({bare_objects:,} objects)"),
        _line("all objects made", seconds, "s"),
        _line("all said to the API", sum(x["seconds"] for x in passes), "s"),
        _line("ratio all objects made / bare calls", seconds / bare_seconds),
        _line("CPU of the bare calls", bare_cpu, "s"),
        _line("CPU of the orchestrator", own_cpu, "s"),
        _line("CPU of the API", api_cpu, "s"),
        _line(
            "calls of Kubernetes per object", requests.total() / objects, _parts(requests)
        ),
        _line("calls of the API per object", calls / objects),
        _line("longest pass", max(x["seconds"] for x in passes), "s"),
        *_memory(passes + quiet),
        _line("bare lists of all that runs", statistics.median(looks), "s"),
        _line("  of it GET /workloads", statistics.median(gets), "s"),
        *_quiet(quiet),
        _line("ratio pass / bare lists", _least(quiet) / statistics.median(looks)),
        _line("calls of Kubernetes in it", quiet_requests.total() / len(quiet)),
    ]


async def measure_waiting(place: Place) -> list[str]:
    """Return what a pass costs on a cluster that is full."""
    await place.want_all()
    with (
        Cluster.running(place.folder, room=place.size.room) as cluster,
        Orchestrator.running(cluster, api=place.api) as orchestrator,
    ):
        passes = orchestrator.settle()
        quiet = orchestrator.rest()
    return [
        _line("all objects made", _seconds_to_start(passes), "s"),
        _line("CPU of the orchestrator", sum(x["cpu"] for x in passes), "s"),
        *_quiet(quiet),
        *_memory(passes + quiet),
    ]


def _seconds_to_start(passes: list[Pass]) -> float:
    """Return when the pass ended that made the last object."""
    starting = [number for number, x in enumerate(passes) if x["done"].get("StartReplica")]
    return float(sum(x["seconds"] for x in passes[: starting[-1] + 1]))


def _quiet(passes: list[Pass]) -> list[str]:
    return [
        _line(
            "quiet pass", _median(passes, "seconds"), f"s  (best {_least(passes):.2f} s)"
        ),
        _line("  CPU of the orchestrator in it", _median(passes, "cpu"), "s"),
    ]


def _median(passes: list[Pass], name: str) -> float:
    return float(statistics.median(x[name] for x in passes))


def _least(passes: list[Pass]) -> float:
    return float(min(x["seconds"] for x in passes))


def _memory(passes: list[Pass]) -> list[str]:
    rss, pss = (max(x[name] for x in passes) / MIB for name in ("rss", "pss"))
    return [_line("memory of the orchestrator", round(rss), f"MiB RSS, {pss:.0f} PSS")]


def _parts(requests: "Counter[str]") -> str:
    return "(" + ", ".join(f"{v:,} {k}" for k, v in sorted(requests.items())) + ")"


def _line(label: str, value: float, unit: str = "") -> str:
    number = f"{value:,}" if isinstance(value, int) else f"{value:.2f}"
    return f"{label:40} {number:>8} {unit}".rstrip()


async def main(size: Size) -> None:
    """Measure each part, and print it."""
    parts: dict[str, Callable[[Place], Awaitable[list[str]]]] = {
        f"{FEW} trainings beside {size.finished:,} finished ones": measure_history,
        f"{size.trainings:,} trainings, {size.inferences} inferences": measure_start,
        f"The same with room for {size.room} of them": measure_waiting,
    }
    with tempfile.TemporaryDirectory() as folder:
        async with running_place(Path(folder), size) as place:
            for title, measure in parts.items():
                print(f"\n{title}\n{'-' * len(title)}", flush=True)
                for line in await measure(place):
                    print(f"  {line}", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--trainings", type=int, default=2_000)
    parser.add_argument("--inferences", type=int, default=500)
    parser.add_argument("--finished", type=int, default=10_000)
    parser.add_argument("--room", type=int, default=100)
    asyncio.run(main(Size(**vars(parser.parse_args()))))
