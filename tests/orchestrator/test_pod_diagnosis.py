from datetime import timedelta
from typing import Any

import pytest

from kafkaml.schemas.workloads import Phase
from orchestrator.pod_diagnosis import (
    Diagnosis,
    diagnose_job,
    diagnose_pod,
    diagnose_set,
    newest_pod,
)
from orchestrator.pods.status import created_at

from .pods.documents import (
    Document,
    after,
    disrupted,
    event,
    node,
    pod,
    recorded,
    stamp,
)

JOB: Document = {"metadata": {"uid": "1", "labels": {}}, "spec": {}, "status": {}}


def diagnose_recorded(name: str, seconds: float) -> Diagnosis:
    """Diagnose a recorded Job so long after it was made."""
    case = recorded(name)
    return diagnose_job(
        case["job"],
        pods=case["pods"],
        events=case["events"],
        nodes=recorded("nodes"),
        now=created_at(case["job"]) + timedelta(seconds=seconds),
    )


def diagnose_one(one: Document, *events: Document, seconds: float = 0) -> Diagnosis:
    return diagnose_pod(one, events=events, nodes=None, now=after(seconds))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("image-pull-first", "The image kafka-ml/none:1 cannot be had: failed to pull"),
        ("image-pull", "no such host. It is tried again."),
        ("secret-missing", 'It waits for what it needs: secret "secret-missing" not found'),
        ("mount", 'MountVolume.SetUp failed for volume "ca" : secret "kafka-ca" not found'),
        ("root-refused", "image will run as root"),
        ("unfit-cpu", "It asks for 64 CPU cores, and the largest node has 2 CPU cores."),
        ("suspended", "It waits in the queue trainings."),
        (
            "quota-wait",
            (
                "It waits for room in the quota compute: of requests.cpu it asks for 500m, "
                "600m of 1 is in use."
            ),
        ),
        ("evicted", "It is started again. Kubernetes ended it: Eviction API: evicting."),
    ],
)
def test_what_may_come_is_waited_for(name: str, text: str) -> None:
    diagnosis = diagnose_recorded(name, 5)
    assert (diagnosis.phase, diagnosis.reason) == (Phase.PENDING, None)
    assert text in diagnosis.message


@pytest.mark.parametrize("name", ["secret-missing", "mount", "suspended", "quota-wait"])
def test_some_things_are_waited_for_without_an_end(name: str) -> None:
    assert diagnose_recorded(name, 9999).phase is Phase.PENDING


@pytest.mark.parametrize(
    ("name", "seconds", "reason", "text"),
    [
        ("image-never", 0, "image", "is not present with pull policy of Never"),
        ("image-invalid", 0, "image", "repository name (None) must be lowercase"),
        ("image-pull-first", 35, "image", "no such host."),
        ("image-pull", 35, "image", "no such host."),
        ("root-refused", 65, "platform", "image will run as root"),
        ("unfit-cpu", 65, "unschedulable", "Lower resources.cpu"),
        ("unfit-memory", 65, "unschedulable", "It asks for 4096 GiB of memory"),
        ("unfit-gpu", 65, "unschedulable", "1 nvidia.com/gpu, and no node has any"),
        ("unfit-selector", 65, "unschedulable", "No node has the labels disk=fast"),
        ("quota-never", 0, "quota", "of requests.memory it asks for 2Gi, 100Mi of 1Gi"),
        ("pod-security", 0, "platform", 'violates PodSecurity "restricted:latest"'),
        ("limit-range", 0, "platform", "maximum cpu usage per Container is 100m"),
    ],
)
def test_what_will_not_come_is_given_up(
    name: str, seconds: float, reason: str, text: str
) -> None:
    diagnosis = diagnose_recorded(name, seconds)
    assert (diagnosis.phase, diagnosis.reason) == (Phase.BLOCKED, reason)
    assert text in diagnosis.message


@pytest.mark.parametrize(
    ("name", "exit_code", "reason", "text"),
    [
        ("exit-0", 0, None, ""),
        ("exit-3", 3, None, ""),
        ("exit-5", 5, None, ""),
        ("oom", 137, "oom", "The limit is 64Mi."),
        ("disk", 137, "disk", 'Usage of EmptyDir volume "tmp" exceeds the limit "10Mi".'),
        ("disk-container", 137, "disk", "exceeds the total limit of containers 20Mi."),
        ("deadline", None, "deadline", "took longer than a Job may"),
        ("command-missing", 128, "platform", 'exec: "/no/such/program"'),
        ("deleted", None, None, "Its pod is gone."),
        ("pod-gone", None, None, "Its pod is gone."),
        ("pod-gone-complete", 0, None, ""),
    ],
)
def test_an_end_tells_its_cause(
    name: str, exit_code: int | None, reason: str | None, text: str
) -> None:
    diagnosis = diagnose_recorded(name, 5)
    assert diagnosis.phase is Phase.EXITED
    assert (diagnosis.exit_code, diagnosis.reason) == (exit_code, reason)
    assert text in diagnosis.message
    assert bool(text) == bool(diagnosis.message)


@pytest.mark.parametrize("name", ["running", "evicting"])
def test_one_that_runs_needs_no_words(name: str) -> None:
    assert diagnose_recorded(name, 5) == Diagnosis(Phase.RUNNING)


def test_a_crashing_inference_tells_how_it_last_ended() -> None:
    crashing = recorded("crash")["pods"][0]
    diagnosis = diagnose_one(crashing)
    assert diagnosis.phase is Phase.PENDING
    assert diagnosis.message == (
        "It was started 7 times. It met a fault that may pass, such as a broker that is "
        "away. Its log ends with: the artifact cannot be read."
    )


@pytest.mark.parametrize("name", ["quota-deployment", "quota-controller"])
def test_a_set_without_pods_tells_why_it_gets_none(name: str) -> None:
    diagnosis = diagnose_set(recorded(name))
    assert (diagnosis.phase, diagnosis.reason) == (Phase.BLOCKED, "quota")
    assert "600m of 1 is in use" in diagnosis.message


def test_a_set_without_pods_and_failures_waits_for_its_controller() -> None:
    assert diagnose_set({"status": {}}) == Diagnosis(Phase.PENDING)


TERMINATED = {"exitCode": 143, "reason": "Error"}
LOW_MEMORY = "The node was low on resource: memory. Threshold quantity: 100Mi."
LOW_DISK = (
    "The node was low on resource: ephemeral-storage. Container trainer was using 5Gi, "
    "request is 0, which exceeds its request of 0."
)
SHUTDOWN = "Pod was terminated in response to imminent node shutdown."


def ended(code: int, **fields: Any) -> Document:
    return pod(
        phase="Failed", state={"terminated": {**TERMINATED, "exitCode": code, **fields}}
    )


def gone_wrong(reason: str, message: str, **fields: Any) -> Document:
    return pod(phase="Failed", reason=reason, message=message, **fields)


@pytest.mark.parametrize(
    ("one", "exit_code", "reason", "text"),
    [
        (ended(139), 139, None, ""),
        (ended(137), 137, None, ""),
        (ended(1, message="a line of the log"), 1, None, ""),
        (
            ended(128, reason="StartError", message="container init was OOM-killed"),
            128,
            "oom",
            "",
        ),
        (
            ended(128, reason="ContainerCannotRun", message="no such file"),
            128,
            "platform",
            "no such file.",
        ),
        (
            ended(137, reason="ContainerStatusUnknown", message="The container is lost"),
            None,
            None,
            "The container is lost.",
        ),
        (
            gone_wrong(
                "Evicted",
                'Container trainer exceeded its local ephemeral storage limit "10Gi". ',
                state={"terminated": TERMINATED},
            ),
            143,
            "disk",
            'Container trainer exceeded its local ephemeral storage limit "10Gi".',
        ),
        (
            gone_wrong("Evicted", LOW_MEMORY, state={"terminated": TERMINATED}),
            None,
            None,
            f"Kubernetes ended it: {LOW_MEMORY}",
        ),
        (gone_wrong("Evicted", LOW_DISK), None, None, f"Kubernetes ended it: {LOW_DISK}"),
        (
            gone_wrong("Terminated", SHUTDOWN),
            None,
            None,
            f"Kubernetes ended it: {SHUTDOWN}",
        ),
        (
            gone_wrong("UnexpectedAdmissionError", "Allocate failed"),
            None,
            None,
            "Kubernetes ended it: Allocate failed.",
        ),
        (
            gone_wrong("DeadlineExceeded", "Pod was active on the node longer"),
            None,
            "deadline",
            "Pod was active on the node longer.",
        ),
        (pod(phase="Failed"), None, None, ""),
    ],
)
def test_further_ends_of_pods(
    one: Document, exit_code: int | None, reason: str | None, text: str
) -> None:
    diagnosis = diagnose_one(one)
    assert diagnosis == Diagnosis(Phase.EXITED, reason, text, exit_code)


def waiting(reason: str, message: str = "", **fields: Any) -> Document:
    state = {"waiting": {"reason": reason, "message": message}}
    return pod(state=state, **fields)


@pytest.mark.parametrize(
    ("one", "events", "text"),
    [
        (waiting("ContainerCreating"), [], "Its container is being made."),
        (
            waiting("ContainerCreating"),
            [event("Pulling")],
            "The image kafka-ml/trainer:0.1.0 is being pulled.",
        ),
        (
            waiting("ContainerCreating"),
            [event("Pulling"), event("Pulled", at=1)],
            "Its container is being made.",
        ),
        (
            waiting("ContainerCreating"),
            [event("FailedCreatePodSandBox", "no network")],
            "It waits for what it needs: no network.",
        ),
        (
            waiting("CreateContainerConfigError", 'configmap "a" not found'),
            [],
            'It waits for what it needs: configmap "a" not found.',
        ),
        (
            waiting("CreateContainerError", "no answer"),
            [],
            "Its container cannot be started: no answer. It is tried again.",
        ),
        (pod(), [], "Its container is being made."),
    ],
)
def test_further_waits_on_a_node(one: Document, events: list[Document], text: str) -> None:
    assert diagnose_one(one, *events) == Diagnosis(Phase.PENDING, message=text)


@pytest.mark.parametrize("reason", ["CreateContainerError", "RunContainerError"])
def test_a_container_that_cannot_be_made_is_given_up(reason: str) -> None:
    diagnosis = diagnose_one(waiting(reason), seconds=60)
    assert (diagnosis.phase, diagnosis.reason) == (Phase.BLOCKED, "platform")
    assert reason in diagnosis.message


def test_patience_with_a_registry_begins_with_its_first_failure() -> None:
    failing = waiting("ImagePullBackOff", 'Back-off pulling image "a"')
    failure = event("Failed", 'Failed to pull image "a": 502', at=600)
    assert diagnose_one(failing, failure, seconds=629).phase is Phase.PENDING
    diagnosis = diagnose_one(failing, failure, seconds=630)
    assert (diagnosis.phase, diagnosis.reason) == (Phase.BLOCKED, "image")
    assert diagnosis.message.endswith("cannot be had: 502.")


def test_a_registry_that_answered_meanwhile_gets_new_patience() -> None:
    failing = waiting("ErrImagePull", "502")
    events = [event("Failed", 'Failed to pull image "a": 502'), event("Pulled", at=600)]
    assert diagnose_one(failing, *events, seconds=629).phase is Phase.PENDING
    assert diagnose_one(failing, *events, seconds=630).phase is Phase.BLOCKED


def test_events_about_others_say_nothing() -> None:
    other = event("Pulling") | {"involvedObject": {"uid": "2"}}
    assert diagnose_one(pod(), other).message == "Its container is being made."


@pytest.mark.parametrize(
    ("last", "text"),
    [
        (
            {"exitCode": 137, "reason": "OOMKilled"},
            "It was started 3 times. It used more memory than it may.",
        ),
        ({"exitCode": 139}, "It was started 3 times. It crashed in native code"),
        (
            {"exitCode": 128, "reason": "StartError", "message": "no such file"},
            "could not be started. The installation needs a look. no such file.",
        ),
    ],
)
def test_an_inference_between_two_starts_tells_the_last_end(
    last: Document, text: str
) -> None:
    one = waiting("CrashLoopBackOff", restarts="Always", name="inferencer", phase="Running")
    one["status"]["containerStatuses"][0] |= {
        "restartCount": 2,
        "lastState": {"terminated": last},
    }
    diagnosis = diagnose_one(one)
    assert diagnosis.phase is Phase.PENDING
    assert text in diagnosis.message
    assert "log ends" not in diagnosis.message


def test_an_inference_that_just_ended_is_started_again() -> None:
    state = {"terminated": {"exitCode": 5, "message": "one\ntwo\n"}}
    one = pod(phase="Running", state=state, restarts="Always", name="inferencer")
    diagnosis = diagnose_one(one)
    assert diagnosis.phase is Phase.PENDING
    assert diagnosis.message.endswith("Its log ends with: two.")


def test_an_injected_container_does_not_hide_the_end_of_the_workload() -> None:
    one = pod(phase="Running", state={"terminated": {"exitCode": 3}})
    proxy = {"name": "istio-proxy", "state": {"running": {}}}
    one["status"]["containerStatuses"].insert(0, proxy)
    assert diagnose_one(one) == Diagnosis(Phase.EXITED, exit_code=3)


@pytest.mark.parametrize(
    ("nodes", "text"),
    [
        (
            [node(ready="Unknown")],
            "Its node node is not ready. Kubelet stopped posting node status.",
        ),
        ([node(name="other")], "Its node node is gone."),
    ],
)
def test_a_lost_node_is_told(nodes: list[Document], text: str) -> None:
    one = pod(phase="Running", state={"running": {}})
    diagnosis = diagnose_pod(one, events=[], nodes=nodes, now=after(120))
    assert diagnosis == Diagnosis(Phase.PENDING, message=text)


def test_a_node_that_was_just_added_is_not_lost() -> None:
    one = pod(phase="Running", state={"running": {}})
    diagnosis = diagnose_pod(one, events=[], nodes=[node(name="other")], now=after(119))
    assert diagnosis == Diagnosis(Phase.RUNNING)


@pytest.mark.parametrize(
    ("code", "phase"),
    [(143, Phase.PENDING), (5, Phase.PENDING), (3, Phase.EXITED), (4, Phase.EXITED)],
)
def test_a_disrupted_pod_is_replaced_unless_its_code_is_final(
    code: int, phase: Phase
) -> None:
    one = ended(code)
    one["status"]["conditions"] = disrupted("Taint manager: deleting")
    diagnosis = diagnose_job(JOB, pods=[one], events=[], nodes=None, now=after(0))
    assert diagnosis.phase is phase


def finished(kind: str, reason: str, message: str = "") -> Document:
    condition = {"type": kind, "status": "True", "reason": reason, "message": message}
    return JOB | {"status": {"conditions": [condition]}}


def test_a_disrupted_pod_of_a_job_that_is_over_has_ended() -> None:
    one = ended(143)
    one["status"]["conditions"] = disrupted("Taint manager: deleting")
    job = finished("Failed", "BackoffLimitExceeded")
    diagnosis = diagnose_job(job, pods=[one], events=[], nodes=None, now=after(0))
    assert (diagnosis.phase, diagnosis.exit_code) == (Phase.EXITED, 143)


def test_the_condition_of_a_job_tells_the_code_of_a_pod_that_is_gone() -> None:
    message = "Container trainer for pod a/b failed with exit code 3 matching FailJob rule"
    job = finished("Failed", "PodFailurePolicy", message)
    diagnosis = diagnose_job(job, pods=[], events=[], nodes=None, now=after(0))
    assert (diagnosis.phase, diagnosis.exit_code) == (Phase.EXITED, 3)


def test_a_condition_that_is_false_is_none() -> None:
    job = finished("Failed", "")
    job["status"]["conditions"][0]["status"] = "False"
    diagnosis = diagnose_job(job, pods=[], events=[], nodes=None, now=after(0))
    assert diagnosis == Diagnosis(Phase.PENDING)


def test_a_suspension_without_a_queue_is_told_too() -> None:
    job = JOB | {"spec": {"suspend": True}}
    diagnosis = diagnose_job(job, pods=[], events=[], nodes=None, now=after(0))
    assert diagnosis == Diagnosis(Phase.PENDING, message="It is suspended.")


def test_the_successor_counts_beside_a_pod_that_was_disrupted() -> None:
    old = ended(143)
    new = pod(phase="Running", state={"running": {}})
    new["metadata"] |= {"uid": "2", "creationTimestamp": stamp(1)}
    for pods in ([old, new], [new, old]):
        assert newest_pod(pods) is new
        assert diagnose_job(
            JOB, pods=pods, events=[], nodes=None, now=after(2)
        ) == Diagnosis(Phase.RUNNING)


def test_a_long_message_is_cut() -> None:
    diagnosis = diagnose_one(gone_wrong("Evicted", "a " * 5000))
    assert len(diagnosis.message) == 2000
    assert diagnosis.message.endswith("…")


def test_empty_documents_are_no_errors() -> None:
    assert diagnose_one({}) == Diagnosis(
        Phase.PENDING, message="It waits for the scheduler."
    )
    assert diagnose_job({}, pods=[{}], events=[{}], nodes=[{}], now=after(0)) == Diagnosis(
        Phase.PENDING, message="It waits for the scheduler."
    )
