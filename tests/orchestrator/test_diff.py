import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from kafkaml.schemas.workloads import Phase, Workload, WorkloadKind
from orchestrator.actions import (
    Action,
    Forget,
    ReportExit,
    StartReplica,
    StopReplica,
    UploadLog,
)
from orchestrator.diff import LOG_INTERVAL, diff, restart_delay
from orchestrator.executors.base import Replica
from orchestrator.ledger import Ledger, Upload
from orchestrator.testing import FakeExecutor

from .builders import workload

NOW = datetime(2030, 1, 1, tzinfo=UTC)
LATER = NOW + timedelta(days=1)
TRAINING = workload()
INFERENCE = workload(WorkloadKind.INFERENCE, replicas=1)

workloads = st.lists(
    st.builds(
        workload,
        st.sampled_from(WorkloadKind),
        st.integers(1, 3),
        attempt=st.integers(1, 2),
        replicas=st.integers(0, 3),
    ),
    max_size=6,
    unique_by=lambda each: each.name,
)
replicas = st.lists(
    st.builds(
        Replica,
        name=st.builds(
            lambda kind, number, attempt: f"kafkaml-{kind}-{number}-{attempt}",
            st.sampled_from([*WorkloadKind, "foreign"]),
            st.integers(1, 3),
            st.integers(1, 2),
        ),
        replica=st.integers(0, 3),
        phase=st.sampled_from([Phase.RUNNING, Phase.EXITED]),
        starts=st.integers(1, 4),
        restarts=st.integers(0, 3),
        exit_code=st.sampled_from([None, 0, 1, 3, 4, 5, 137, 143]),
        exited_at=st.just(NOW),
        log_revision=st.integers(0, 2),
    ),
    max_size=8,
    unique_by=lambda each: (each.name, each.replica),
)


@st.composite
def situations(draw: st.DrawFn) -> tuple[list[Workload], list[Replica], Ledger]:
    seen = draw(replicas)
    runs = [each.run for each in seen]
    known = st.sampled_from(runs) if runs else st.nothing()
    ledger = Ledger(
        reported=draw(st.sets(known)),
        uploads=draw(
            st.dictionaries(known, st.builds(Upload, st.integers(0, 2), st.just(NOW)))
        ),
    )
    return draw(workloads), seen, ledger


def slots(wanted: list[Workload]) -> set[tuple[str, int]]:
    return {(each.name, number) for each in wanted for number in range(each.replicas)}


@given(situations())
def test_it_is_a_function_of_what_is_there_and_not_of_its_order(
    situation: tuple[list[Workload], list[Replica], Ledger],
) -> None:
    wanted, seen, ledger = situation
    there = diff(wanted, seen, ledger=ledger, now=NOW)
    back = diff(wanted[::-1], seen[::-1], ledger=ledger, now=NOW)
    assert there == back


@given(situations())
def test_a_replica_is_started_once_and_only_if_wanted_and_not_running(
    situation: tuple[list[Workload], list[Replica], Ledger],
) -> None:
    wanted, seen, ledger = situation
    actions = diff(wanted, seen, ledger=ledger, now=LATER)
    starts = [(a.name, a.replica) for a in actions if isinstance(a, StartReplica)]
    running = {(each.name, each.replica) for each in seen if each.is_running}
    assert len(starts) == len(set(starts))
    assert set(starts) <= slots(wanted) - running


@given(situations())
def test_an_ended_check_or_training_is_never_started_again(
    situation: tuple[list[Workload], list[Replica], Ledger],
) -> None:
    wanted, seen, ledger = situation
    present = {(each.name, each.replica) for each in seen}
    for action in diff(wanted, seen, ledger=ledger, now=LATER):
        if isinstance(action, StartReplica) and (action.name, action.replica) in present:
            assert action.workload.kind is WorkloadKind.INFERENCE


@given(situations())
def test_what_runs_is_stopped_exactly_if_it_is_not_wanted(
    situation: tuple[list[Workload], list[Replica], Ledger],
) -> None:
    wanted, seen, ledger = situation
    actions = diff(wanted, seen, ledger=ledger, now=NOW)
    stopped = {(a.name, a.replica) for a in actions if isinstance(a, StopReplica)}
    running = {(each.name, each.replica) for each in seen if each.is_running}
    assert stopped == running - slots(wanted)


@given(situations())
def test_an_end_is_reported_before_it_is_forgotten_and_after_its_log(
    situation: tuple[list[Workload], list[Replica], Ledger],
) -> None:
    wanted, seen, ledger = situation
    actions = diff(wanted, seen, ledger=ledger, now=NOW)
    for each in (each for each in seen if not each.is_running):
        kinds = [
            type(a) for a in actions if (a.name, a.replica) == (each.name, each.replica)
        ]
        if each.run not in ledger.reported:
            assert kinds[-1] is ReportExit
            assert Forget not in kinds
        if UploadLog in kinds:
            assert kinds.index(UploadLog) < kinds.index(ReportExit)
        if Forget in kinds:
            assert (each.name, each.replica) not in slots(wanted)


@given(situations())
def test_applying_all_actions_leads_to_what_is_wanted(
    situation: tuple[list[Workload], list[Replica], Ledger],
) -> None:
    wanted, seen, _ = situation
    executor, ledger = FakeExecutor(), Ledger()
    executor.replicas = {(each.name, each.replica): each for each in seen}
    for _ in range(4):
        now = list(executor.replicas.values())
        for action in diff(wanted, now, ledger=ledger, now=LATER):
            asyncio.run(apply(action, executor, ledger))
    running = {slot for slot, it in executor.replicas.items() if it.is_running}
    over = {slot for slot, it in executor.replicas.items() if not it.is_running}
    assert running | over == slots(wanted)
    by_name = {each.name: each for each in wanted}
    assert all(by_name[name].kind is not WorkloadKind.INFERENCE for name, _ in over)


async def apply(action: Action, executor: FakeExecutor, ledger: Ledger) -> None:
    match action:
        case StartReplica():
            await executor.start(action.workload, action.replica, {}, starts=action.starts)
        case StopReplica():
            await executor.stop(action.name, action.replica)
        case ReportExit():
            ledger.reported.add(action.seen.run)
        case UploadLog():
            ledger.uploads[action.seen.run] = Upload(action.seen.log_revision, LATER)
        case Forget():
            await executor.forget(action.name, action.replica)


def ended(of: Workload, **more: object) -> Replica:
    base = Replica(of.name, 0, Phase.EXITED, exit_code=5, exited_at=NOW)
    return replace(base, **more)  # type: ignore[arg-type]  # fields by name


def test_an_ended_inference_rests_before_it_is_started_again() -> None:
    replica = ended(INFERENCE, starts=4, restarts=2)
    ledger = Ledger(reported={replica.run})
    delay = restart_delay(replica)
    early = diff([INFERENCE], [replica], ledger=ledger, now=NOW + delay * 0.99)
    due = diff([INFERENCE], [replica], ledger=ledger, now=NOW + delay)
    assert early == []
    assert due == [StartReplica(INFERENCE.name, 0, workload=INFERENCE, starts=4)]


def test_the_rest_doubles_up_to_five_minutes() -> None:
    delays = [restart_delay(ended(INFERENCE, restarts=number)) for number in range(40)]
    assert delays[:3] == [timedelta(seconds=2), timedelta(seconds=4), timedelta(seconds=8)]
    assert delays[-1] == timedelta(minutes=5)


def test_a_drained_inference_does_not_rest() -> None:
    assert restart_delay(ended(INFERENCE, exit_code=143, restarts=9)) == timedelta()


def test_a_running_log_is_uploaded_when_it_grew_but_not_all_the_time() -> None:
    replica = Replica(TRAINING.name, 0, Phase.RUNNING, log_revision=2)
    ledger = Ledger(uploads={replica.run: Upload(1, NOW)})
    assert diff([TRAINING], [replica], ledger=ledger, now=NOW) == []
    later = diff([TRAINING], [replica], ledger=ledger, now=NOW + LOG_INTERVAL)
    assert later == [UploadLog(TRAINING.name, 0, seen=replica)]


def test_a_smaller_scale_stops_the_last_replicas() -> None:
    seen = [Replica(INFERENCE.name, number, Phase.RUNNING) for number in range(3)]
    actions = diff([INFERENCE], seen, ledger=Ledger(), now=NOW)
    assert actions == [StopReplica(INFERENCE.name, 1), StopReplica(INFERENCE.name, 2)]
