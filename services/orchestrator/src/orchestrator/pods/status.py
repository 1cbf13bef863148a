"""Reading what the API server tells; absent fields are empty, never errors."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

Document = Mapping[str, Any]

# The container that counts, whatever else was injected into the pod.
_CONTAINERS = ("trainer", "inferencer")
_LONG_AGO = datetime.min.replace(tzinfo=UTC)


def part(document: Document, *path: str) -> Document:
    """Return the object at a path, empty if there is none."""
    for name in path:
        document = document.get(name) or {}
    return document


def items(document: Document, *path: str) -> list[Document]:
    """Return the list at a path, empty if there is none."""
    return part(document, *path[:-1]).get(path[-1]) or []


def time_of(text: str | None) -> datetime | None:
    """Read a time stamp of the API server."""
    return datetime.fromisoformat(text) if text else None


def created_at(document: Document) -> datetime:
    return time_of(part(document, "metadata").get("creationTimestamp")) or _LONG_AGO


def condition(document: Document, kind: str) -> Document | None:
    """Return the condition of this type if it is true."""
    found = any_condition(document, kind)
    return found if found and found.get("status") == "True" else None


def any_condition(document: Document, kind: str) -> Document | None:
    """Return the condition of this type, whatever its status is."""
    conditions = items(document, "status", "conditions")
    return next((each for each in conditions if each.get("type") == kind), None)


def main_container(pod: Document) -> Document:
    """Return the status of the workload's own container; empty if there is none yet."""
    statuses = items(pod, "status", "containerStatuses")
    ours = [each for each in statuses if each.get("name") in _CONTAINERS]
    return next(iter(ours or statuses), {})


def newest_pod(pods: Iterable[Document]) -> Document | None:
    """Return the pod that was made last; among equals one that has not ended."""
    return max(
        pods,
        key=lambda pod: (
            created_at(pod),
            part(pod, "status").get("phase") not in {"Succeeded", "Failed"},
        ),
        default=None,
    )


def events_of(document: Document, events: Iterable[Document]) -> list[Document]:
    """Return the events about an object, oldest first."""
    uid = part(document, "metadata").get("uid")
    about = [event for event in events if part(event, "involvedObject").get("uid") == uid]
    return sorted(about, key=last_seen)


def newest_event(events: Sequence[Document], *reasons: str) -> Document | None:
    """Return the last of the ordered events that has one of the reasons."""
    return next((each for each in reversed(events) if each.get("reason") in reasons), None)


def first_seen(event: Document) -> datetime:
    return _first_known(event, "firstTimestamp", "eventTime", "lastTimestamp")


def last_seen(event: Document) -> datetime:
    series = time_of(part(event, "series").get("lastObservedTime"))
    return series or _first_known(event, "lastTimestamp", "eventTime", "firstTimestamp")


def _first_known(event: Document, *names: str) -> datetime:
    known = (time_of(event.get(name)) for name in names)
    return next((each for each in known if each), created_at(event))
