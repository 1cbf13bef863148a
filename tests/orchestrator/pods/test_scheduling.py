import pytest

from kafkaml.schemas.workloads import Phase
from orchestrator.pods.scheduling import diagnose_unscheduled

from .documents import Document, after, event, node, pod, unscheduled

_END = " preemption: 0/3 nodes are available: 3 Preemption is not helpful for scheduling."


@pytest.mark.parametrize(
    ("message", "text"),
    [
        (
            "0/3 nodes are available: 1 Insufficient cpu, 2 Insufficient memory." + _END,
            (
                "It waits for room: 0 of 3 nodes can take it now (1 with too little cpu "
                "free, 2 with too little memory free)."
            ),
        ),
        (
            "0/3 nodes are available: 1 node(s) had untolerated taint "
            "{node-role.kubernetes.io/control-plane: }, 1 node(s) were unschedulable, "
            "1 Too many pods. no new claims to deallocate," + _END,
            (
                "It waits for room: 0 of 3 nodes can take it now (1 reserved by a taint "
                "{node-role.kubernetes.io/control-plane: }, 1 cordoned, 1 full of pods)."
            ),
        ),
        (
            "0/3 nodes are available: 3 node(s) didn't match Pod's node affinity/selector.",
            (
                "It waits for room: 0 of 3 nodes can take it now (3 without the labels "
                "that it must run on)."
            ),
        ),
        (
            "0/3 nodes are available: 3 Insufficient nvidia.com/gpu. preemption: none",
            (
                "It waits for room: 0 of 3 nodes can take it now (3 with too little "
                "nvidia.com/gpu free)."
            ),
        ),
        (
            "no nodes available to schedule pods",
            "It waits for a node. no nodes available to schedule pods.",
        ),
        ("", "It waits for a node."),
    ],
)
def test_the_scheduler_is_made_readable(message: str, text: str) -> None:
    waiting = pod(node=None, conditions=unscheduled(message))
    diagnosis = diagnose_unscheduled(waiting, events=[], nodes=None, now=after(9999))
    assert diagnosis.phase is Phase.PENDING
    assert diagnosis.message == text


TOO_LARGE = pod(node=None, requests={"cpu": "5"}, conditions=unscheduled(""))


def test_what_never_fits_is_given_up_once_an_autoscaler_would_have_spoken() -> None:
    first = diagnose_unscheduled(TOO_LARGE, events=[], nodes=[node()], now=after(29))
    later = diagnose_unscheduled(TOO_LARGE, events=[], nodes=[node()], now=after(30))
    assert (first.phase, first.reason) == (Phase.PENDING, None)
    assert (later.phase, later.reason) == (Phase.BLOCKED, "unschedulable")
    assert "5 CPU cores" in first.message
    assert first.message == later.message


@pytest.mark.parametrize(
    ("events", "phase"),
    [
        ([event("TriggeredScaleUp")], Phase.PENDING),
        ([event("Nominated")], Phase.PENDING),
        ([event("TriggeredScaleUp"), event("FailedScheduling")], Phase.PENDING),
        ([event("TriggeredScaleUp"), event("FailedScaleUp")], Phase.BLOCKED),
        ([event("NotTriggerScaleUp")], Phase.BLOCKED),
        ([event("NotTriggerScaleUp"), event("TriggeredScaleUp")], Phase.PENDING),
    ],
)
def test_a_node_that_is_being_added_is_waited_for(
    events: list[Document], phase: Phase
) -> None:
    diagnosis = diagnose_unscheduled(
        TOO_LARGE, events=events, nodes=[node()], now=after(600)
    )
    assert diagnosis.phase is phase


def test_whoever_may_not_read_nodes_gives_nothing_up() -> None:
    diagnosis = diagnose_unscheduled(TOO_LARGE, events=[], nodes=None, now=after(9999))
    assert diagnosis.phase is Phase.PENDING


def test_one_that_the_scheduler_has_not_seen_waits_for_it() -> None:
    diagnosis = diagnose_unscheduled(pod(node=None), events=[], nodes=[], now=after(0))
    assert diagnosis.message == "It waits for the scheduler."


def test_one_that_is_held_back_says_so() -> None:
    gate = {"type": "PodScheduled", "status": "False", "reason": "SchedulingGated"}
    held = pod(node=None, conditions=[gate], requests={"cpu": "64"})
    diagnosis = diagnose_unscheduled(held, events=[], nodes=[node()], now=after(9999))
    assert diagnosis.phase is Phase.PENDING
    assert "held back" in diagnosis.message
