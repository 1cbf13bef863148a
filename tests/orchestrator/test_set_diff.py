"""Sets: the executor keeps the number of an inference's replicas by itself."""

from dataclasses import replace

from kafkaml.schemas.workloads import Phase, WorkloadKind
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
from orchestrator.diff import diff
from orchestrator.executors.base import Replica
from orchestrator.ledger import Ledger, Status, ToldStatus, Upload

from .builders import workload
from .situations import ANOTHER_PLATFORM, NOW

INFERENCE = workload(WorkloadKind.INFERENCE, replicas=2)
NAME = INFERENCE.name
READY = [Replica(NAME, number, Phase.RUNNING, size=2, is_ready=True) for number in range(2)]


def decide(seen: list[Replica], ledger: Ledger | None = None) -> list[Action]:
    return diff([INFERENCE], seen, ledger=ledger or Ledger(), now=NOW)


def told(ready: int | None, notice: str = "") -> Ledger:
    return Ledger(statuses={NAME: ToldStatus(Status(notice, ready), NOW)})


def report(ready: int, notice: str = "") -> ReportStatus:
    return ReportStatus(NAME, 0, status=Status(notice, ready))


def test_a_wrong_size_is_corrected_by_starting_the_set_again() -> None:
    seen = [replace(each, size=3) for each in READY]
    start = StartReplica(NAME, 0, workload=INFERENCE, starts=0)
    assert decide(seen, told(2)) == [start]
    assert decide(READY, told(2)) == []


def test_a_set_is_not_held_by_the_end_of_an_earlier_attempt() -> None:
    seen = [replace(each, size=3) for each in READY]
    earlier = Replica("kafkaml-inference-1-0", 0, Phase.RUNNING, size=1)
    starts = [each for each in decide([*seen, earlier]) if isinstance(each, StartReplica)]
    assert [each.name for each in starts] == [NAME]


def test_the_next_attempt_waits_for_a_set_even_if_all_its_replicas_have_ended() -> None:
    earlier = Replica("kafkaml-inference-1-0", 0, Phase.EXITED, size=1)
    starts = [each for each in decide([earlier]) if isinstance(each, StartReplica)]
    assert starts == []


def test_the_number_of_ready_replicas_is_told_when_it_changes() -> None:
    assert decide(READY) == [report(2)]
    assert decide(READY, told(1)) == [report(2)]
    one = [READY[0], replace(READY[1], is_ready=False)]
    assert decide(one, told(2)) == [report(1)]


def test_a_set_without_any_replica_is_told_to_serve_by_none() -> None:
    assert decide([Replica(NAME, 0, Phase.PENDING, size=2)], told(2)) == [report(0)]


def test_an_end_is_told_once_and_its_controller_starts_it_again() -> None:
    over = replace(READY[1], phase=Phase.EXITED, is_ready=False, exit_code=137)
    ledger = told(2)
    actions = decide([READY[0], over], ledger)
    assert actions == [ReportExit(NAME, 0, seen=over), report(1)]
    ledger = told(1)
    ledger.reported = {over.run}
    assert decide([READY[0], over], ledger) == []


def test_one_that_waits_is_a_notice_beside_those_that_are_ready() -> None:
    waiting = Replica(NAME, 1, Phase.PENDING, size=2, message="no room")
    assert decide([READY[0], waiting]) == [report(1, "no room")]


def test_another_number_is_told_at_once_whatever_the_notice() -> None:
    waiting = Replica(NAME, 1, Phase.PENDING, size=2, message="no room, 2 nodes")
    assert decide([READY[0], waiting], told(1, "no room")) == []
    assert decide([READY[0], waiting], told(2, "no room")) == [report(1, waiting.message)]


def test_a_notice_stays_while_one_still_waits_without_a_word() -> None:
    waiting = Replica(NAME, 1, Phase.PENDING, size=2)
    assert decide([READY[0], waiting], told(1, "no room")) == []
    assert decide(READY, told(1, "no room")) == [report(2)]


def test_one_that_is_blocked_does_not_end_a_set_that_may_serve() -> None:
    blocked = Replica(NAME, 1, Phase.BLOCKED, size=2, reason="quota", message="no quota")
    assert decide([READY[0], blocked]) == [report(1, "no quota")]
    starting = Replica(NAME, 0, Phase.PENDING, size=2)
    assert decide([starting, blocked]) == [report(0, "no quota")]


def test_a_set_of_which_none_can_serve_is_blocked() -> None:
    seen = [
        Replica(NAME, number, Phase.BLOCKED, size=2, reason="image", message="no image")
        for number in range(2)
    ]
    assert decide(seen) == [ReportBlocked(NAME, 0, "image", "no image")]


def test_logs_are_uploaded_of_each_replica_that_is_wanted_or_about_to_go() -> None:
    seen = [replace(each, log_revision=2) for each in READY]
    ledger = told(2)
    ledger.uploads = {seen[0].run: Upload(1, NOW)}
    assert decide(seen, ledger) == [UploadLog(NAME, 1, seen=seen[1])]
    last = diff([], seen, ledger=ledger, now=NOW)
    assert last == [
        UploadLog(NAME, 0, seen=seen[0]),
        StopReplica(NAME, 0),
        UploadLog(NAME, 1, seen=seen[1]),
    ]


def test_an_unwanted_set_is_stopped_even_if_all_its_replicas_have_ended() -> None:
    over = [replace(each, phase=Phase.EXITED) for each in READY]
    stop, forget = diff([], over, ledger=Ledger(), now=NOW)
    assert (stop, forget) == (StopReplica(NAME, 0), Forget(NAME, 0))


def test_a_set_of_another_database_is_removed_without_a_word() -> None:
    foreign = [
        replace(each, platform=ANOTHER_PLATFORM, log_revision=1, size=9) for each in READY
    ]
    assert decide(foreign) == [StopReplica(NAME, 0)]
