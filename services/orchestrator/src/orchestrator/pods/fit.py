"""Whether a pod would fit on some node if nothing else ran there."""

from collections.abc import Mapping, Sequence
from decimal import Decimal

from orchestrator.pods.quantities import parse_quantities
from orchestrator.pods.status import Document, items, part

_ADVICE = {
    "cpu": "resources.cpu",
    "memory": "resources.memory",
    "ephemeral-storage": "KAFKA_ML_KUBERNETES_TEMPORARY_BYTES",
}
_UNITS = {
    "cpu": ("CPU cores", Decimal(1)),
    "memory": ("GiB of memory", Decimal(2**30)),
    "ephemeral-storage": ("GiB of disk", Decimal(2**30)),
}
# Taints that come and go with the health of a node.
_PASSING_TAINTS = (
    "node.kubernetes.io/",
    "node.cloudprovider.kubernetes.io/",
    "ToBeDeletedByClusterAutoscaler",
    "DeletionCandidateOfClusterAutoscaler",
)


def explain_misfit(pod: Document, nodes: Sequence[Document]) -> str | None:
    """Return what no node has, in sentences; None if the pod fits on an empty one.

    No nodes at all are no reason to give up: an autoscaler may have removed them.
    """
    selector, requests = part(pod, "spec", "nodeSelector"), _requests(pod)
    # Mostly the first node would do, and thousands of pods may wait for their turn.
    if not nodes or any(_takes(node, pod, selector, requests) for node in nodes):
        return None
    chosen = [node for node in nodes if _has_labels(node, selector)]
    if not chosen:
        labels = ", ".join(f"{name}={value}" for name, value in sorted(selector.items()))
        return f"No node has the labels {labels} that it must run on."
    usable = [node for node in chosen if not _untolerated(node, pod)]
    if not usable:
        taints = sorted({taint for node in chosen for taint in _untolerated(node, pod)})
        return (
            f"The nodes that it may run on are reserved by the taints {', '.join(taints)}."
        )
    return _explain_size(requests, [_allocatable(node) for node in usable])


def _takes(
    node: Document, pod: Document, selector: Document, requests: Mapping[str, Decimal]
) -> bool:
    if not _has_labels(node, selector) or _untolerated(node, pod):
        return False
    size = _allocatable(node)
    return all(_fits(requests, size, name) for name in requests)


def _explain_size(
    requests: Mapping[str, Decimal], sizes: Sequence[Mapping[str, Decimal]]
) -> str:
    lacking = [
        name for name in requests if not any(_fits(requests, size, name) for size in sizes)
    ]
    if not lacking:
        wishes = ", ".join(_readable(name, value) for name, value in requests.items())
        return f"No single node has all of {wishes}."
    return " ".join(
        _explain_lack(name, requests[name], max(_amount(size, name) for size in sizes))
        for name in lacking
    )


def _explain_lack(name: str, asked: Decimal, most: Decimal) -> str:
    text = f"It asks for {_readable(name, asked)}, "
    if most == 0:
        return text + "and no node has any."
    advice = f" Lower {_ADVICE[name]}, or add a larger node." if name in _ADVICE else ""
    return f"{text}and the largest node has {_readable(name, most)}.{advice}"


def _fits(requests: Mapping[str, Decimal], size: Mapping[str, Decimal], name: str) -> bool:
    return requests[name] <= _amount(size, name)


def _amount(size: Mapping[str, Decimal], name: str) -> Decimal:
    return size.get(name, Decimal(0))


def _readable(name: str, value: Decimal) -> str:
    unit, factor = _UNITS.get(name, (name, Decimal(1)))
    number = f"{value / factor:.3f}".rstrip("0").rstrip(".")
    return f"{number} {unit}"


def _allocatable(node: Document) -> dict[str, Decimal]:
    return parse_quantities(part(node, "status", "allocatable"))


def _requests(pod: Document) -> dict[str, Decimal]:
    """Return what the scheduler counts: what runs together, or the largest start before."""
    containers = items(pod, "spec", "containers")
    initial = items(pod, "spec", "initContainers")
    sidecars = [each for each in initial if each.get("restartPolicy") == "Always"]
    total: dict[str, Decimal] = parse_quantities(part(pod, "spec", "overhead"))
    for container in (*containers, *sidecars):
        for name, value in _request(container).items():
            total[name] = total.get(name, Decimal(0)) + value
    for container in initial:
        for name, value in _request(container).items():
            total[name] = max(total.get(name, Decimal(0)), value)
    return {name: value for name, value in total.items() if value > 0}


def _request(container: Document) -> dict[str, Decimal]:
    return parse_quantities(part(container, "resources", "requests"))


def _has_labels(node: Document, selector: Document) -> bool:
    labels = part(node, "metadata", "labels")
    return all(labels.get(name) == value for name, value in selector.items())


def _untolerated(node: Document, pod: Document) -> list[str]:
    tolerations = items(pod, "spec", "tolerations")
    return [
        str(taint.get("key"))
        for taint in items(node, "spec", "taints")
        if taint.get("effect") in {"NoSchedule", "NoExecute"}
        and not str(taint.get("key")).startswith(_PASSING_TAINTS)
        and not any(_tolerates(each, taint) for each in tolerations)
    ]


def _tolerates(toleration: Document, taint: Document) -> bool:
    if toleration.get("effect") not in {None, "", taint.get("effect")}:
        return False
    if toleration.get("operator") == "Exists":
        return toleration.get("key") in {None, "", taint.get("key")}
    return toleration.get("key") == taint.get("key") and (
        toleration.get("value") or ""
    ) == (taint.get("value") or "")
