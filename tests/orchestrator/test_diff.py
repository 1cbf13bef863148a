import asyncio
import time
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given

from kafkaml.schemas.states import FailureReason
from kafkaml.schemas.workloads import Phase, Workload, WorkloadKind
from orchestrator.actions import (
    Action,
    Forget,
    ReportBlocked,
    ReportExit,
    ReportStatus,
    StartReplica,
    StopReplica,
    UploadLog,
)
from orchestrator.case import LOG_INTERVAL
from orchestrator.diff import diff
from orchestrator.executors.base import Replica
from orchestrator.ledger import Ledger, Slot, Status, ToldStatus, Trouble, Upload
from orchestrator.replica_diff import restart_delay
from orchestrator.testing import FakeExecutor

from .builders import PLATFORM, workload
from .situations import ANOTHER_PLATFORM, NOW, Situation, situations, slots

LATER = NOW + timedelta(days=1)
TRAINING = workload()
INFERENCE = workload(WorkloadKind.INFERENCE, replicas=1)


@given(situations())
def test_it_is_a_function_of_what_is_there_and_not_of_its_order(
    situation: Situation,
) -> None:
    wanted, seen, ledger = situation
    there = diff(wanted, seen, ledger=ledger, now=NOW)
    back = diff(wanted[::-1], seen[::-1], ledger=ledger, now=NOW)
    assert there == back


@given(situations())
def test_a_slot_is_started_once_and_only_if_wanted_and_not_running(
    situation: Situation,
) -> None:
    wanted, seen, ledger = situation
    actions = diff(wanted, seen, ledger=ledger, now=LATER)
    starts = [action.slot for action in actions if isinstance(action, StartReplica)]
    running = {slot(each) for each in seen if each.is_running and each.size is None}
    assert len(starts) == len(set(starts))
    assert set(starts) <= (slots(wanted) - running) | sets(seen)


@given(situations())
def test_nothing_is_started_beside_what_has_yet_to_end(situation: Situation) -> None:
    wanted, seen, ledger = situation
    for action in diff(wanted, seen, ledger=ledger, now=LATER):
        if isinstance(action, StartReplica) and action.slot not in sets(seen):
            subject = action.name.rpartition("-")[0]
            living = {each.name for each in seen if each.is_running}
            others = [name for name in living if name.rpartition("-")[0] == subject]
            assert not set(others) - {action.name}
            assert not any(
                each.name == action.name and is_foreign(each, wanted) for each in seen
            )


@given(situations())
def test_an_ended_check_or_training_is_never_started_again(situation: Situation) -> None:
    wanted, seen, ledger = situation
    present = {slot(each) for each in seen}
    for action in diff(wanted, seen, ledger=ledger, now=LATER):
        if isinstance(action, StartReplica) and action.slot in present:
            assert action.workload.kind is WorkloadKind.INFERENCE


@given(situations())
def test_what_runs_is_stopped_exactly_if_it_is_not_wanted_or_foreign(
    situation: Situation,
) -> None:
    wanted, seen, ledger = situation
    actions = diff(wanted, seen, ledger=ledger, now=NOW)
    stopped = [action.slot for action in actions if isinstance(action, StopReplica)]
    foreign = {slot(each) for each in seen if is_foreign(each, wanted)}
    alone = {slot(each) for each in seen if each.is_running and each.size is None}
    unwanted_sets = {each for each in sets(seen) if each.name not in names(wanted)}
    assert len(stopped) == len(set(stopped))
    assert set(stopped) == (
        (alone - slots(wanted)) | (alone & foreign) | unwanted_sets | (sets(seen) & foreign)
    )


@given(situations())
def test_an_end_is_reported_before_it_is_forgotten_and_after_its_log(
    situation: Situation,
) -> None:
    wanted, seen, ledger = situation
    actions = diff(wanted, seen, ledger=ledger, now=NOW)
    alone = [each for each in seen if each.size is None and not each.is_running]
    for each in (each for each in alone if not is_foreign(each, wanted)):
        kinds = [type(action) for action in actions if action.slot == slot(each)]
        if each.run not in ledger.reported:
            assert kinds[-1] is ReportExit
            assert Forget not in kinds
        if UploadLog in kinds:
            assert kinds.index(UploadLog) < kinds.index(ReportExit)
        if Forget in kinds:
            assert slot(each) not in slots(wanted)


@given(situations())
def test_only_what_has_ended_is_forgotten(situation: Situation) -> None:
    wanted, seen, ledger = situation
    for action in diff(wanted, seen, ledger=ledger, now=NOW):
        if isinstance(action, Forget):
            forgotten = [
                each
                for each in seen
                if slot(each) == action.slot
                or (each.name == action.name and each.size is not None)
            ]
            assert forgotten
            assert not any(each.is_running for each in forgotten)


@given(situations())
def test_nothing_is_told_of_what_another_database_left_behind(
    situation: Situation,
) -> None:
    wanted, seen, ledger = situation
    for action in diff(wanted, seen, ledger=ledger, now=LATER):
        if isinstance(action, UploadLog | ReportExit):
            assert not is_foreign(action.seen, wanted)


@given(situations())
def test_applying_all_actions_leads_to_what_is_wanted(situation: Situation) -> None:
    wanted, seen, _ = situation
    executor, ledger = FakeExecutor(), Ledger()
    executor.sizes = {each.name: each.size for each in seen if each.size is not None}
    executor.replicas = {slot(each): each for each in seen}
    for _ in range(5):
        now = asyncio.run(executor.list())
        for action in diff(wanted, now, ledger=ledger, now=LATER):
            asyncio.run(apply(action, executor, ledger))
    assert {name for name, _ in executor.replicas} <= names(wanted)
    over = {slot for slot, it in executor.replicas.items() if not it.is_running}
    alone = {each for each in executor.replicas if each[0] not in executor.sizes}
    assert alone == {each for each in slots(wanted) if each.name not in executor.sizes}
    by_name = {each.name: each for each in wanted}
    assert all(size == by_name[it].replicas for it, size in executor.sizes.items())
    assert all(
        by_name[name].kind is not WorkloadKind.INFERENCE
        for name, _ in over
        if name not in executor.sizes
    )
    assert not any(is_foreign(each, wanted) for each in executor.replicas.values())


async def apply(action: Action, executor: FakeExecutor, ledger: Ledger) -> None:
    match action:
        case StartReplica():
            # A set that is there shows that this executor keeps sets.
            executor.keeps_sets = action.name in executor.sizes
            await executor.start(action.workload, action.replica, {}, starts=action.starts)
        case StopReplica():
            await executor.stop(action.name, action.replica)
        case ReportExit():
            ledger.reported.add(action.seen.run)
        case UploadLog():
            ledger.uploads[action.seen.run] = Upload(action.seen.log_revision, LATER)
        case ReportStatus():
            ledger.statuses[action.name] = ToldStatus(action.status, LATER)
        case Forget():
            await executor.forget(action.name, action.replica)


def slot(replica: Replica) -> Slot:
    return Slot(replica.name, replica.replica)


def sets(seen: list[Replica]) -> set[Slot]:
    return {Slot(each.name, 0) for each in seen if each.size is not None}


def names(wanted: list[Workload]) -> set[str]:
    return {each.name for each in wanted}


def is_foreign(replica: Replica, wanted: list[Workload]) -> bool:
    return replica.platform == ANOTHER_PLATFORM and replica.name in names(wanted)


def ended(of: Workload, **more: object) -> Replica:
    base = Replica(of.name, 0, Phase.EXITED, exit_code=5, exited_at=NOW)
    return replace(base, **more)  # type: ignore[arg-type]  # fields by name


def told(*workloads: Workload) -> Ledger:
    """Return the ledger of one who said that all these run."""
    all_well = ToldStatus(Status(), NOW)
    return Ledger(statuses={each.name: all_well for each in workloads})


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
    ledger = told(TRAINING)
    ledger.uploads = {replica.run: Upload(1, NOW)}
    assert diff([TRAINING], [replica], ledger=ledger, now=NOW) == []
    later = diff([TRAINING], [replica], ledger=ledger, now=NOW + LOG_INTERVAL)
    assert later == [UploadLog(TRAINING.name, 0, seen=replica)]


def test_the_more_logs_there_are_the_rarer_each_is_uploaded() -> None:
    wanted = [workload(number=number) for number in range(1, 1001)]
    seen = [Replica(each.name, 0, Phase.RUNNING, log_revision=2) for each in wanted]
    ledger = told(*wanted)
    ledger.uploads = {each.run: Upload(1, NOW) for each in seen}
    later = NOW + timedelta(seconds=49)
    assert diff(wanted, seen, ledger=ledger, now=later) == []
    assert len(diff(wanted, seen, ledger=ledger, now=NOW + timedelta(seconds=50))) == 1000


@pytest.mark.parametrize(("number", "delay"), [(1, 0), (200, 0), (400, 10)])
def test_a_first_log_is_uploaded_at_once_unless_there_are_many(
    number: int, delay: int
) -> None:
    wanted = [workload(number=each) for each in range(1, number + 1)]
    seen = [
        Replica(each.name, 0, Phase.RUNNING, log_revision=1, started_at=NOW)
        for each in wanted
    ]
    for seconds, count in ((delay - 1, 0), (delay, number)):
        now = NOW + timedelta(seconds=seconds)
        assert len(diff(wanted, seen, ledger=told(*wanted), now=now)) == count


def test_a_smaller_scale_stops_the_last_replicas() -> None:
    seen = [Replica(INFERENCE.name, number, Phase.RUNNING) for number in range(3)]
    actions = diff([INFERENCE], seen, ledger=told(INFERENCE), now=NOW)
    assert actions == [StopReplica(INFERENCE.name, 1), StopReplica(INFERENCE.name, 2)]


def test_the_first_replica_alone_is_started_to_see_who_keeps_their_number() -> None:
    inference = workload(WorkloadKind.INFERENCE, replicas=3)
    first = diff([inference], [], ledger=Ledger(), now=NOW)
    assert [action.replica for action in first] == [0]
    seen = [Replica(inference.name, 0, Phase.RUNNING)]
    others = diff([inference], seen, ledger=told(inference), now=NOW)
    assert [action.replica for action in others] == [1, 2]
    a_set = [replace(seen[0], size=3)]
    none = diff([inference], a_set, ledger=Ledger(), now=NOW)
    assert not any(isinstance(action, StartReplica) for action in none)


def test_a_blocked_one_is_reported_in_each_pass_while_it_is_wanted() -> None:
    replica = Replica(TRAINING.name, 0, Phase.BLOCKED, reason="image", message="no image")
    report = ReportBlocked(TRAINING.name, 0, "image", "no image")
    for _ in range(2):
        assert diff([TRAINING], [replica], ledger=Ledger(), now=NOW) == [report]
    assert diff([], [replica], ledger=Ledger(), now=NOW) == [StopReplica(TRAINING.name, 0)]


def test_what_an_unwanted_one_has_logged_is_uploaded_before_it_is_stopped() -> None:
    replica = Replica(TRAINING.name, 0, Phase.RUNNING, log_revision=9)
    assert diff([], [replica], ledger=Ledger(), now=NOW) == [
        UploadLog(TRAINING.name, 0, seen=replica),
        StopReplica(TRAINING.name, 0),
    ]


def test_a_start_that_is_refused_for_good_is_reported_and_not_tried_again() -> None:
    trouble = Trouble("no such image", reason=FailureReason.IMAGE, is_final=True)
    ledger = Ledger(troubles={Slot(TRAINING.name, 0): trouble})
    [status, blocked] = diff([TRAINING], [], ledger=ledger, now=NOW)
    assert isinstance(status, ReportStatus)
    assert blocked == ReportBlocked(TRAINING.name, 0, "image", "no such image")


def test_an_attempt_waits_for_the_one_before_it_to_end_and_says_so() -> None:
    second = workload(attempt=2)
    first = Replica(TRAINING.name, 0, Phase.RUNNING)
    actions = diff([second], [first], ledger=Ledger(), now=NOW)
    notice = Status(f"It waits for {first.name} to end.")
    assert actions == [
        StopReplica(first.name, 0),
        ReportStatus(second.name, 0, status=notice),
    ]
    over = replace(first, phase=Phase.EXITED)
    [*_, start] = diff([second], [over], ledger=Ledger(), now=NOW)
    assert start == StartReplica(second.name, 0, workload=second, starts=0)


def test_what_another_database_left_under_a_wanted_name_goes_first() -> None:
    foreign = Replica(TRAINING.name, 0, Phase.RUNNING, platform=ANOTHER_PLATFORM)
    [status, stop] = diff([TRAINING], [foreign], ledger=Ledger(), now=NOW)
    assert isinstance(status, ReportStatus)
    assert "another installation" in status.status.notice
    assert stop == StopReplica(TRAINING.name, 0)
    over = replace(foreign, phase=Phase.EXITED, log_revision=9)
    assert Forget(TRAINING.name, 0) in diff([TRAINING], [over], ledger=Ledger(), now=NOW)
    mine = replace(foreign, platform=PLATFORM)
    assert diff([TRAINING], [mine], ledger=told(TRAINING), now=NOW) == []


def test_it_is_quick_with_ten_thousand_replicas() -> None:
    wanted = [workload(number=number) for number in range(1, 10_001)]
    seen = [Replica(each.name, 0, Phase.RUNNING) for each in wanted]
    begin = time.process_time()
    assert diff(wanted, seen, ledger=told(*wanted), now=NOW) == []
    assert time.process_time() - begin < 2
