"""Why a pod, or its container, has ended."""

import re

from kafkaml.schemas.states import FailureReason
from kafkaml.schemas.workloads import Phase
from orchestrator.diagnosis import diagnose
from orchestrator.executors.base import Replica
from orchestrator.pods.diagnosis import Diagnosis, exited, sentence
from orchestrator.pods.status import Document, condition, items, main_container, part

_UNSTARTED = {"StartError", "ContainerCannotRun"}
_OWN_DISK = re.compile(r"exceed(s|ed) (the|its) .*limit")
_MAX_LAST_LINE = 300


def diagnose_end(pod: Document) -> Diagnosis:
    """Tell why a pod has ended."""
    status = part(pod, "status")
    reason, message = str(status.get("reason", "")), str(status.get("message", ""))
    terminated = part(main_container(pod), "state", "terminated")
    if reason == "Evicted" and _OWN_DISK.search(message):
        code = terminated.get("exitCode")
        return exited(code, FailureReason.DISK, sentence(message))
    if reason == "DeadlineExceeded":
        return exited(terminated.get("exitCode"), FailureReason.DEADLINE, sentence(message))
    if reason or not terminated:
        return exited(None, message=_explain_disruption(pod))
    return diagnose_termination(terminated, pod)


def diagnose_termination(terminated: Document, pod: Document) -> Diagnosis:
    """Tell why a container has ended."""
    reason, message = terminated.get("reason"), str(terminated.get("message", ""))
    code = terminated.get("exitCode")
    if reason == "OOMKilled" or (reason in _UNSTARTED and "OOM-killed" in message):
        return exited(code, FailureReason.OOM, _explain_limit(pod))
    if reason in _UNSTARTED:
        return exited(code, FailureReason.PLATFORM, sentence(message))
    if reason == "ContainerStatusUnknown":
        return exited(None, message=_explain_disruption(pod) or sentence(message))
    if code is None and terminated.get("signal"):
        code = 128 + int(terminated["signal"])
    return exited(code, message=_explain_disruption(pod))


def explain_last_end(pod: Document) -> str:
    """Return why an inference's container is started again and again."""
    container = main_container(pod)
    last = part(container, "state", "terminated") or part(
        container, "lastState", "terminated"
    )
    end = diagnose_termination(last, pod)
    cause = diagnose(
        Replica("", 0, Phase.EXITED, exit_code=end.exit_code, reason=end.reason)
    )
    times = f"It was started {container.get('restartCount', 0) + 1} times."
    return " ".join(filter(None, (times, cause, end.message, _last_line(last))))


def _last_line(terminated: Document) -> str:
    """Return how the log ends; kubelet keeps that of a container that failed."""
    lines = str(terminated.get("message", "")).strip().splitlines()
    if not lines or terminated.get("reason") in _UNSTARTED:
        return ""
    return f"Its log ends with: {sentence(lines[-1][-_MAX_LAST_LINE:])}"


def _explain_disruption(pod: Document) -> str:
    disruption = condition(pod, "DisruptionTarget") or {}
    texts = (
        part(pod, "status").get("message"),
        disruption.get("message"),
        disruption.get("reason"),
    )
    text = next(filter(None, texts), "")
    return f"Kubernetes ended it: {sentence(str(text))}" if text else ""


def _explain_limit(pod: Document) -> str:
    for container in items(pod, "spec", "containers"):
        limit = part(container, "resources", "limits").get("memory")
        if limit and container.get("name") == main_container(pod).get("name"):
            return f"The limit is {limit}."
    return ""
