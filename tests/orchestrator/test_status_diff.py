"""What people are told of a workload that does not run."""

from dataclasses import replace
from datetime import datetime, timedelta

from kafkaml.schemas.workloads import Phase
from orchestrator.actions import Action, ReportStatus, StopReplica
from orchestrator.diff import diff
from orchestrator.executors.base import Replica
from orchestrator.ledger import Ledger, Slot, Status, ToldStatus, Trouble
from orchestrator.status_diff import NOTICE_INTERVAL

from .builders import workload
from .situations import NOW

TRAINING = workload()
WAITING = Replica(TRAINING.name, 0, Phase.PENDING, message="no room")
RUNNING = Replica(TRAINING.name, 0, Phase.RUNNING)
TOLD = Ledger(statuses={TRAINING.name: ToldStatus(Status("no room"), NOW)})
ALL_WELL = Ledger(statuses={TRAINING.name: ToldStatus(Status(), NOW)})


def decide(replica: Replica, ledger: Ledger, now: datetime = NOW) -> list[Action]:
    return diff([TRAINING], [replica], ledger=ledger, now=now)


def report(notice: str) -> list[Action]:
    return [ReportStatus(TRAINING.name, 0, status=Status(notice))]


def test_what_it_waits_for_is_told_once() -> None:
    assert decide(WAITING, Ledger()) == report("no room")
    assert decide(WAITING, TOLD) == []


def test_that_it_runs_is_told_once_for_there_may_be_a_notice_to_take_back() -> None:
    assert decide(RUNNING, TOLD) == report("")
    assert decide(RUNNING, Ledger()) == report("")
    assert decide(RUNNING, ALL_WELL) == []


def test_to_wait_without_a_word_says_nothing() -> None:
    silent = replace(WAITING, message="")
    assert decide(silent, Ledger()) == []
    assert decide(silent, TOLD) == []


def test_another_text_is_told_but_not_all_the_time() -> None:
    other = replace(WAITING, message="no room, 2 nodes")
    early = NOW + NOTICE_INTERVAL - timedelta(seconds=1)
    assert decide(other, TOLD, early) == []
    assert decide(other, TOLD, NOW + NOTICE_INTERVAL) == report("no room, 2 nodes")


def test_an_end_takes_no_notice_back() -> None:
    over = replace(RUNNING, phase=Phase.EXITED)
    actions = decide(over, TOLD)
    assert not any(isinstance(each, ReportStatus) for each in actions)


def test_why_it_does_not_start_is_told() -> None:
    trouble = Trouble("Kafka is away")
    ledger = Ledger(troubles={Slot(TRAINING.name, 0): trouble})
    status, _ = diff([TRAINING], [], ledger=ledger, now=NOW)
    assert [status] == report("Kafka is away")
    assert decide(RUNNING, ledger) == report("")


def test_what_is_not_wanted_is_stopped_without_a_word() -> None:
    stop = [StopReplica(TRAINING.name, 0)]
    assert diff([], [WAITING], ledger=Ledger(), now=NOW) == stop
