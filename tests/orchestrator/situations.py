"""Whatever a pass may find, for property tests."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from itertools import groupby
from typing import Any
from uuid import UUID

from hypothesis import strategies as st

from kafkaml.schemas.workloads import Phase, Workload, WorkloadKind
from orchestrator.executors.base import Replica
from orchestrator.ledger import Ledger, Slot, Status, ToldStatus, Trouble, Upload

from .builders import PLATFORM, workload

NOW = datetime(2030, 1, 1, tzinfo=UTC)
ANOTHER_PLATFORM = UUID("00000000-0000-4000-8000-000000000001")

Situation = tuple[list[Workload], list[Replica], Ledger]

texts = st.sampled_from(["", "no room", "no image"])
workloads = st.lists(
    st.builds(
        workload,
        st.sampled_from(WorkloadKind),
        st.integers(1, 3),
        attempt=st.integers(1, 2),
        replicas=st.integers(0, 3),
    ),
    max_size=6,
    # The API wants one attempt at a time.
    unique_by=lambda each: (each.kind, each.id),
)
replicas = st.builds(
    Replica,
    name=st.builds(
        lambda kind, number, attempt: f"kafkaml-{kind}-{number}-{attempt}",
        st.sampled_from([*WorkloadKind, "unknown"]),
        st.integers(1, 3),
        st.integers(1, 2),
    ),
    replica=st.integers(0, 3),
    phase=st.sampled_from(Phase),
    starts=st.integers(1, 4),
    restarts=st.integers(0, 3),
    exit_code=st.sampled_from([None, 0, 1, 3, 4, 5, 137, 143]),
    message=texts,
    exited_at=st.just(NOW),
    log_revision=st.integers(0, 2),
    platform=st.sampled_from([None, PLATFORM, ANOTHER_PLATFORM]),
    size=st.integers(0, 3),
    is_ready=st.booleans(),
)


@st.composite
def seen_replicas(draw: st.DrawFn) -> list[Replica]:
    """Return replicas, some of them in sets."""
    found = draw(
        st.lists(replicas, max_size=8, unique_by=lambda each: (each.name, each.replica))
    )
    found.sort(key=lambda each: (each.name, each.replica))
    seen: list[Replica] = []
    for name, group in groupby(found, key=lambda each: each.name):
        is_set = WorkloadKind.INFERENCE in name and draw(st.booleans())
        seen += (_as_set if is_set else _as_single)(group)
    return draw(st.permutations(seen))


def _as_set(group: Iterable[Replica]) -> list[Replica]:
    first, *others = group
    pods = [replace(first, replica=0), *others]
    return [replace(each, size=first.size, platform=first.platform) for each in pods]


def _as_single(group: Iterable[Replica]) -> list[Replica]:
    return [replace(each, size=None) for each in group]


@st.composite
def situations(draw: st.DrawFn) -> Situation:
    wanted, seen = draw(workloads), draw(seen_replicas())
    runs = _some_of([each.run for each in seen])
    named = _some_of([each.name for each in wanted])
    slot = _some_of(sorted(slots(wanted)))
    told = st.builds(Status, texts, st.none() | st.integers(0, 3))
    ledger = Ledger(
        reported=draw(st.sets(runs)),
        uploads=draw(
            st.dictionaries(runs, st.builds(Upload, st.integers(0, 2), st.just(NOW)))
        ),
        statuses=draw(st.dictionaries(named, st.builds(ToldStatus, told, st.just(NOW)))),
        troubles=draw(
            st.dictionaries(slot, st.builds(Trouble, texts, is_final=st.booleans()))
        ),
    )
    return wanted, seen, ledger


def _some_of(items: list[Any]) -> st.SearchStrategy[Any]:
    return st.sampled_from(items) if items else st.nothing()


def slots(wanted: list[Workload]) -> set[Slot]:
    return {Slot(each.name, number) for each in wanted for number in range(each.replicas)}
