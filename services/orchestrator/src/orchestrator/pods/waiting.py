"""Why a pod that has a node does not run."""

import re
from collections.abc import Sequence
from datetime import datetime, timedelta

from kafkaml.schemas.states import FailureReason
from orchestrator.pods.diagnosis import Diagnosis, blocked, pending, sentence
from orchestrator.pods.endings import explain_last_end
from orchestrator.pods.status import (
    Document,
    any_condition,
    created_at,
    first_seen,
    last_seen,
    main_container,
    newest_event,
    part,
    time_of,
)

# A registry may hiccup; a faulty name stays one.
IMAGE_PATIENCE = timedelta(seconds=30)
START_PATIENCE = timedelta(seconds=40)

_UNREACHABLE_IMAGE = {"ErrImagePull", "ImagePullBackOff", "RegistryUnavailable"}
_UNUSABLE_IMAGE = {"ErrImageNeverPull", "InvalidImageName", "ImageInspectError"}
_UNUSABLE_CONFIG = {"CreateContainerConfigError"}
_UNSTARTABLE = {"CreateContainerError", "RunContainerError", "PostStartHookError"}
_NOT_YET = re.compile(r"(secret|configmap) \"?[^\"]*\"? not found")
_PULL_FAILED = re.compile(r'(Failed to pull|Back-off pulling) image "[^"]*"(: |$)')
_SETUP_FAILURES = ("FailedMount", "FailedAttachVolume", "FailedCreatePodSandBox")


def diagnose_waiting(
    pod: Document, *, events: Sequence[Document], now: datetime
) -> Diagnosis:
    """Tell what a pod waits for on its node; `events` are its own, in order."""
    waiting = part(main_container(pod), "state", "waiting")
    reason, message = str(waiting.get("reason", "")), str(waiting.get("message", ""))
    if reason in _UNREACHABLE_IMAGE | _UNUSABLE_IMAGE:
        is_hopeless = reason in _UNUSABLE_IMAGE
        return _diagnose_image(pod, events, now, is_hopeless=is_hopeless)
    if reason in _UNUSABLE_CONFIG | _UNSTARTABLE:
        return _diagnose_start(pod, reason, message, now)
    if reason == "CrashLoopBackOff":
        return pending(explain_last_end(pod))
    return _diagnose_setup(pod, events)


def _diagnose_image(
    pod: Document, events: Sequence[Document], now: datetime, *, is_hopeless: bool
) -> Diagnosis:
    container = main_container(pod)
    failures = [each for each in events if _PULL_FAILED.match(str(each.get("message")))]
    image = container.get("image") or "of its container"
    cause = sentence(_image_error(container, failures))
    text = f"The image {image} cannot be had: {cause}"
    since = _failing_since(pod, events, failures)
    if is_hopeless or now >= since + IMAGE_PATIENCE:
        return blocked(FailureReason.IMAGE, text)
    return pending(f"{text} It is tried again.")


def _image_error(container: Document, failures: Sequence[Document]) -> str:
    """Return what the registry said; while it backs off, a kubelet may say it elsewhere."""
    waiting = part(container, "state", "waiting")
    message = str(waiting.get("message") or waiting.get("reason"))
    if waiting.get("reason") == "ImagePullBackOff" and failures:
        message = str(failures[-1].get("message"))
    return _PULL_FAILED.sub("", message)


def _failing_since(
    pod: Document, events: Sequence[Document], failures: Sequence[Document]
) -> datetime:
    """Return when the image could first not be pulled, after it last could be."""
    pulled = newest_event(events, "Pulled")
    first = first_seen(failures[0]) if failures else _scheduled_at(pod)
    return max(first, last_seen(pulled)) if pulled else first


def _diagnose_start(pod: Document, reason: str, message: str, now: datetime) -> Diagnosis:
    if _NOT_YET.search(message):
        return pending(f"It waits for what it needs: {sentence(message)}")
    text = f"Its container cannot be started: {sentence(message or reason)}"
    if now >= _scheduled_at(pod) + START_PATIENCE:
        return blocked(FailureReason.PLATFORM, text)
    return pending(f"{text} It is tried again.")


def _diagnose_setup(pod: Document, events: Sequence[Document]) -> Diagnosis:
    newest = newest_event(events, *_SETUP_FAILURES, "Pulling", "Pulled")
    if newest is None or newest.get("reason") == "Pulled":
        return pending("Its container is being made.")
    if newest.get("reason") == "Pulling":
        image = main_container(pod).get("image") or "of its container"
        return pending(f"The image {image} is being pulled.")
    return pending(f"It waits for what it needs: {sentence(str(newest.get('message')))}")


def _scheduled_at(pod: Document) -> datetime:
    scheduled = any_condition(pod, "PodScheduled") or {}
    return time_of(scheduled.get("lastTransitionTime")) or created_at(pod)
