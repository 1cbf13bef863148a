"""Who comes first when there is more to do than can be done at once."""

from datetime import timedelta

from kafkaml.schemas.workloads import Phase, Workload, WorkloadKind
from orchestrator.actions import Action, ReportExit, StartReplica, UploadLog
from orchestrator.executors.base import Replica
from orchestrator.ledger import Ledger, Upload
from orchestrator.object_backoff import ObjectBackoff
from orchestrator.turns import in_turn

from .builders import workload
from .situations import NOW


def start(of: Workload, replica: int = 0) -> StartReplica:
    return StartReplica(of.name, replica, workload=of, starts=0)


def order(
    actions: list[Action],
    *,
    ledger: Ledger | None = None,
    backoff: ObjectBackoff | None = None,
) -> list[str]:
    groups = in_turn(actions, ledger=ledger or Ledger(), backoff=backoff or ObjectBackoff())
    return [f"{group[0].name}/{group[0].replica}" for group in groups]


def test_the_oldest_comes_first_whatever_its_name() -> None:
    starts = [start(workload(number=number)) for number in (10, 9, 100)]
    assert order(list(starts)) == [
        "kafkaml-training-9-1/0",
        "kafkaml-training-10-1/0",
        "kafkaml-training-100-1/0",
    ]


def test_kinds_of_workloads_take_turns() -> None:
    trainings = [start(workload(number=number)) for number in range(1, 100)]
    check = start(workload(WorkloadKind.CHECK, 5000))
    inference = start(workload(WorkloadKind.INFERENCE, 900))
    first = order([*trainings, check, inference])[:3]
    assert set(first) == {
        "kafkaml-training-1-1/0",
        "kafkaml-check-5000-1/0",
        "kafkaml-inference-900-1/0",
    }


def test_one_of_many_replicas_does_not_hold_up_another_inference() -> None:
    many = workload(WorkloadKind.INFERENCE, 1, replicas=9)
    other = workload(WorkloadKind.INFERENCE, 2)
    starts = [*(start(many, number) for number in range(9)), start(other)]
    assert order(list(starts)).index(f"{other.name}/0") == 1


def test_what_failed_comes_after_what_did_not() -> None:
    failed, fresh = start(workload(number=1)), start(workload(number=2))
    backoff = ObjectBackoff()
    backoff.fail(failed, NOW)
    assert order([failed, fresh], backoff=backoff) == [
        f"{fresh.name}/0",
        f"{failed.name}/0",
    ]


def test_logs_of_what_goes_on_come_last_and_the_longest_unread_one_first() -> None:
    running = [
        Replica(workload(number=number).name, 0, Phase.RUNNING, log_revision=9)
        for number in (1, 2, 3)
    ]
    ledger = Ledger(
        uploads={
            running[0].run: Upload(1, NOW),
            running[1].run: Upload(1, NOW - timedelta(minutes=1)),
        }
    )
    over = Replica("kafkaml-training-4-1", 0, Phase.EXITED, log_revision=1)
    actions: list[Action] = [UploadLog(each.name, 0, seen=each) for each in running]
    actions += [UploadLog(over.name, 0, seen=over), ReportExit(over.name, 0, seen=over)]
    assert order(actions, ledger=ledger) == [
        "kafkaml-training-4-1/0",
        "kafkaml-training-3-1/0",
        "kafkaml-training-2-1/0",
        "kafkaml-training-1-1/0",
    ]
