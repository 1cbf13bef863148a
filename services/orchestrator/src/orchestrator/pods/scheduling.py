"""Why a pod has no node yet."""

import re
from collections.abc import Sequence
from datetime import datetime, timedelta

from kafkaml.schemas.states import FailureReason
from orchestrator.pods.diagnosis import Diagnosis, blocked, pending, sentence
from orchestrator.pods.fit import explain_misfit
from orchestrator.pods.status import Document, any_condition, created_at, newest_event

# So long an autoscaler may take to say that it adds a node.
NODE_PATIENCE = timedelta(seconds=30)

# What Cluster Autoscaler and Karpenter say of a pod.
_SCALES = ("TriggeredScaleUp", "Nominated")
_SCALES_NOT = ("NotTriggerScaleUp", "FailedScaleUp")

_COUNTS = re.compile(r"(?P<fit>\d+)/(?P<all>\d+) nodes are available: (?P<reasons>.*)")
_REASONS_END = re.compile(r"\. |, preemption:|\.$|$")
_REASON = re.compile(r"(?:^|, )(\d+) (.*?)(?=, \d+ |$)")
_READABLE = (
    (re.compile(r"Insufficient (\S+)"), r"with too little \1 free"),
    (re.compile(r"Too many pods"), "full of pods"),
    (
        re.compile(r"node\(s\) didn't match Pod's node affinity/selector"),
        "without the labels that it must run on",
    ),
    (
        re.compile(r"node\(s\) had untolerated taint\(?s?\)? ?(\{.*\})?"),
        r"reserved by a taint \1",
    ),
    (re.compile(r"node\(s\) were unschedulable"), "cordoned"),
    (re.compile(r"node\(s\) "), ""),
)


def diagnose_unscheduled(
    pod: Document,
    *,
    events: Sequence[Document],
    nodes: Sequence[Document] | None,
    now: datetime,
) -> Diagnosis:
    """Tell what a pod without a node waits for; `events` are its own, in order."""
    scheduled = any_condition(pod, "PodScheduled") or {}
    if scheduled.get("reason") == "SchedulingGated":
        return pending("It is held back until somebody lets it be scheduled.")
    if scheduled.get("status") != "False":
        return pending("It waits for the scheduler.")
    scaling = newest_event(events, *_SCALES, *_SCALES_NOT) or {}
    if scaling.get("reason") in _SCALES:
        return pending("It waits for a node that is being added.")
    misfit = explain_misfit(pod, nodes) if nodes is not None else None
    if misfit and now >= created_at(pod) + NODE_PATIENCE:
        return blocked(FailureReason.UNSCHEDULABLE, misfit)
    return pending(misfit or _readable(str(scheduled.get("message", ""))))


def _readable(message: str) -> str:
    """Turn the scheduler's message into a sentence, without what it says of preemption."""
    counts = _COUNTS.search(message)
    if counts is None:
        return f"It waits for a node. {sentence(message)}".rstrip()
    reasons = _REASONS_END.split(counts["reasons"], maxsplit=1)[0]
    found = [f"{count} {_in_words(what)}" for count, what in _REASON.findall(reasons)]
    text = f"It waits for room: {counts['fit']} of {counts['all']} nodes can take it now"
    return f"{text} ({', '.join(found)})." if found else f"{text}."


def _in_words(reason: str) -> str:
    for pattern, words in _READABLE:
        reason = pattern.sub(words, reason)
    return reason.strip()
