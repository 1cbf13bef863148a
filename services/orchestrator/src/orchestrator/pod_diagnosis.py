"""From what Kubernetes tells of a workload to what the orchestrator reports of it.

Pure: documents of the API server in, a `Diagnosis` out. Missing fields are no errors.
"""

import re
from collections.abc import Sequence
from datetime import datetime, timedelta

from kafkaml.schemas.states import ExitCode, FailureReason
from kafkaml.schemas.workloads import Phase
from orchestrator.pods.diagnosis import Diagnosis, exited, pending, running, sentence
from orchestrator.pods.endings import diagnose_end, diagnose_termination, explain_last_end
from orchestrator.pods.refusals import diagnose_refusal
from orchestrator.pods.scheduling import diagnose_unscheduled
from orchestrator.pods.status import (
    Document,
    any_condition,
    condition,
    created_at,
    events_of,
    main_container,
    newest_event,
    newest_pod,
    part,
)
from orchestrator.pods.waiting import diagnose_waiting

__all__ = [
    "Diagnosis",
    "diagnose_job",
    "diagnose_pod",
    "diagnose_refusal",
    "diagnose_set",
    "newest_pod",
]

_QUEUE = "kueue.x-k8s.io/queue-name"
_FINAL_CODES = {ExitCode.MODEL_CODE, ExitCode.DATA}
_NEW = timedelta(minutes=2)
_CODE_IN_TEXT = re.compile(r"failed with exit code (\d+)")


def diagnose_job(
    job: Document,
    *,
    pods: Sequence[Document],
    events: Sequence[Document],
    nodes: Sequence[Document] | None,
    now: datetime,
) -> Diagnosis:
    """Tell how a Job of one pod is; `pods` are all of its pods, the newest one counts.

    `events` may be those of the whole namespace; `nodes` is None if they may not be read.
    """
    pod = newest_pod(pods)
    finished = condition(job, "Failed") or condition(job, "Complete")
    if finished is not None:
        return _diagnose_finished(finished, pod)
    if part(job, "spec").get("suspend"):
        return pending(_explain_suspension(job))
    if pod is None:
        return _diagnose_without_pod(job, events)
    diagnosis = diagnose_pod(pod, events=events, nodes=nodes, now=now)
    if diagnosis.phase is Phase.EXITED and _is_replaced(pod, diagnosis):
        return pending(f"It is started again. {diagnosis.message}".rstrip())
    return diagnosis


def diagnose_pod(
    pod: Document,
    *,
    events: Sequence[Document],
    nodes: Sequence[Document] | None,
    now: datetime,
) -> Diagnosis:
    """Tell how a pod is; see `diagnose_job` for `events` and `nodes`."""
    state = part(main_container(pod), "state")
    if part(pod, "status").get("phase") in {"Succeeded", "Failed"}:
        return diagnose_end(pod)
    lost = _explain_lost_node(pod, nodes, now)
    if lost:
        return pending(lost)
    if "terminated" in state:
        return _diagnose_terminated(pod)
    if "running" in state:
        return running()
    own_events = events_of(pod, events)
    if not part(pod, "spec").get("nodeName"):
        return diagnose_unscheduled(pod, events=own_events, nodes=nodes, now=now)
    return diagnose_waiting(pod, events=own_events, now=now)


def diagnose_set(owner: Document) -> Diagnosis:
    """Tell why replicas of a Deployment or a ReplicationController have no pod."""
    failure = condition(owner, "ReplicaFailure")
    return diagnose_refusal(str(failure.get("message"))) if failure else pending()


def _diagnose_terminated(pod: Document) -> Diagnosis:
    # A container that was injected may keep the pod of a Job from ending.
    if part(pod, "spec").get("restartPolicy") == "Never":
        return diagnose_termination(part(main_container(pod), "state", "terminated"), pod)
    return pending(explain_last_end(pod))


def _diagnose_finished(finished: Document, pod: Document | None) -> Diagnosis:
    end = diagnose_end(pod) if pod else exited(None)
    if finished.get("reason") == "DeadlineExceeded":
        return exited(end.exit_code, FailureReason.DEADLINE, _OVERDUE)
    if finished.get("type") == "Complete":
        return exited(ExitCode.ACCEPTED)
    if pod is not None:
        return end
    message = str(finished.get("message", ""))
    code = _CODE_IN_TEXT.search(message)
    text = f"Its pod is gone. Kubernetes says: {sentence(message)}"
    return exited(int(code[1]) if code else None, message=text)


_OVERDUE = "The attempt, with its wait for the stream, took longer than a Job may."


def _diagnose_without_pod(job: Document, events: Sequence[Document]) -> Diagnosis:
    refusal = newest_event(events_of(job, events), "FailedCreate")
    return diagnose_refusal(str(refusal.get("message"))) if refusal else pending()


def _is_replaced(pod: Document, end: Diagnosis) -> bool:
    """Tell whether the Job makes another pod, as its policy says (see the manifests)."""
    is_failed = part(pod, "status").get("phase") == "Failed"
    is_disrupted = condition(pod, "DisruptionTarget") is not None
    return is_failed and is_disrupted and end.exit_code not in _FINAL_CODES


def _explain_suspension(job: Document) -> str:
    queue = part(job, "metadata", "labels").get(_QUEUE)
    return f"It waits in the queue {queue}." if queue else "It is suspended."


def _explain_lost_node(
    pod: Document, nodes: Sequence[Document] | None, now: datetime
) -> str:
    name = part(pod, "spec").get("nodeName")
    if nodes is None or not name:
        return ""
    node = next(
        (each for each in nodes if part(each, "metadata").get("name") == name), None
    )
    if node is None:
        # The list may be older than the pod, and than a node that was added for it.
        is_new = now < created_at(pod) + _NEW
        return "" if is_new else f"Its node {name} is gone."
    ready = any_condition(node, "Ready") or {}
    if ready.get("status") == "True":
        return ""
    reason = sentence(str(ready.get("message", "")))
    return f"Its node {name} is not ready. {reason}".rstrip()
