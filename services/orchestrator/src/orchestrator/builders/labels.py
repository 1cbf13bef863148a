"""The labels that say what an object of Kubernetes is, and which of them select it."""

from kafkaml.schemas.workloads import Workload

WORKLOAD = "kafka-ml/workload"
ID = "kafka-ml/id"
ATTEMPT = "kafka-ml/attempt"
PLATFORM = "kafka-ml/platform"
COMPONENT = "app.kubernetes.io/component"
MANAGED_BY = "app.kubernetes.io/managed-by"

MANAGED = {MANAGED_BY: "kafka-ml-orchestrator"}


def labels_of(workload: Workload) -> dict[str, str]:
    """Return the labels of every object and pod of a workload."""
    return selector_of(workload.name) | {
        "app.kubernetes.io/name": "kafka-ml",
        "app.kubernetes.io/part-of": "kafka-ml",
        COMPONENT: str(workload.kind),
        ID: str(workload.id),
        ATTEMPT: str(workload.attempt),
        PLATFORM: str(workload.platform),
    }


def selector_of(name: str) -> dict[str, str]:
    """Return the labels by which the pods of a workload are found."""
    return MANAGED | {WORKLOAD: name}
