"""What a pod shows of the run in it."""

from datetime import datetime

from orchestrator.executors.kubernetes.resources import Manifest
from orchestrator.pods.status import (
    Document,
    condition,
    created_at,
    main_container,
    part,
    time_of,
)


def has_ended(pod: Manifest) -> bool:
    """Tell whether the pod will never run its workload again."""
    if part(pod, "status").get("phase") in {"Succeeded", "Failed"}:
        return True
    # A container that was injected into the pod of a Job may stay for longer.
    is_once = part(pod, "spec").get("restartPolicy") == "Never"
    return is_once and "terminated" in part(main_container(pod), "state")


def is_terminating(item: Document) -> bool:
    """Tell whether the pod, or any other object, is being deleted."""
    return part(item, "metadata").get("deletionTimestamp") is not None


def is_ready(pod: Manifest) -> bool:
    """Tell whether the pod serves, and is to go on serving."""
    return condition(pod, "Ready") is not None and not is_terminating(pod)


def has_log(pod: Manifest) -> bool:
    """Tell whether the container was ever started."""
    container = main_container(pod)
    current, last = part(container, "state"), part(container, "lastState")
    return "running" in current or "terminated" in current or "terminated" in last


def runs_now(pod: Manifest) -> bool:
    return "running" in part(main_container(pod), "state")


def started_at(pod: Manifest) -> datetime | None:
    """Return when the run began that goes on or has ended last."""
    state = part(main_container(pod), "state")
    run = part(state, "running") or part(state, "terminated")
    return time_of(run.get("startedAt"))


def ended_at(pod: Manifest) -> datetime | None:
    """Return when the run ended that has ended last."""
    container = main_container(pod)
    for state in ("state", "lastState"):
        end = part(container, state, "terminated").get("finishedAt")
        if end is not None:
            return time_of(end)
    return None


def restarts_of(pod: Manifest) -> int:
    """Return how often the container was started again within the pod."""
    return int(main_container(pod).get("restartCount", 0))


def by_age(pods: list[Manifest]) -> list[Manifest]:
    """Return the pods, oldest first."""
    return sorted(pods, key=lambda pod: (created_at(pod), pod["metadata"]["name"]))
