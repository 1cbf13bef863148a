"""Documents as the API server sends them: recorded on a cluster, or made like those."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

Document = dict[str, Any]

MADE_AT = datetime(2026, 11, 23, 1, 40, tzinfo=UTC)
_RECORDED = Path(__file__).parents[2] / "data" / "kubernetes" / "status"


def recorded(name: str) -> Any:
    return json.loads((_RECORDED / f"{name}.json").read_text())


def pod(
    *,
    phase: str = "Pending",
    state: Document | None = None,
    node: str | None = "node",
    restarts: str = "Never",
    conditions: list[Document] | None = None,
    requests: Document | None = None,
    spec: Document | None = None,
    name: str = "trainer",
    **status: Any,
) -> Document:
    """Return a pod made at `MADE_AT`; further arguments are fields of its status."""
    container = {
        "name": name,
        "image": "kafka-ml/trainer:0.1.0",
        "restartCount": 0,
        "ready": False,
        "state": state or {},
    }
    return {
        "metadata": {"name": "a", "uid": "1", "creationTimestamp": stamp(0)},
        "spec": {
            "nodeName": node,
            "restartPolicy": restarts,
            "containers": [{"name": name, "resources": {"requests": requests or {}}}],
            **(spec or {}),
        },
        "status": {
            "phase": phase,
            "conditions": conditions or [],
            "containerStatuses": [container] if state else [],
            **status,
        },
    }


def node(
    *,
    name: str = "node",
    allocatable: Document | None = None,
    labels: Document | None = None,
    taints: list[Document] | None = None,
    ready: str = "True",
) -> Document:
    return {
        "metadata": {"name": name, "labels": labels or {}},
        "spec": {"taints": taints or []},
        "status": {
            "allocatable": allocatable or {"cpu": "4", "memory": "16Gi"},
            "conditions": [
                {
                    "type": "Ready",
                    "status": ready,
                    "message": "Kubelet stopped posting node status.",
                }
            ],
        },
    }


def event(reason: str, message: str = "", *, at: float = 0) -> Document:
    return {
        "reason": reason,
        "message": message,
        "firstTimestamp": stamp(at),
        "lastTimestamp": stamp(at),
        "involvedObject": {"kind": "Pod", "name": "a", "uid": "1"},
    }


def unscheduled(message: str) -> list[Document]:
    return [
        {
            "type": "PodScheduled",
            "status": "False",
            "reason": "Unschedulable",
            "message": message,
        }
    ]


def disrupted(message: str) -> list[Document]:
    return [{"type": "DisruptionTarget", "status": "True", "message": message}]


def stamp(seconds: float) -> str:
    return after(seconds).isoformat().replace("+00:00", "Z")


def after(seconds: float) -> datetime:
    return MADE_AT + timedelta(seconds=seconds)
