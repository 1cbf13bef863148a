"""The kinds of objects of Kubernetes that the executor makes or looks at."""

from typing import Any, NamedTuple, TypeAlias

Manifest: TypeAlias = dict[str, Any]


class Resource(NamedTuple):
    """A kind of object, and where the API server keeps it."""

    api_version: str
    kind: str
    plural: str
    is_namespaced: bool = True

    def path(self, namespace: str, *parts: str) -> str:
        """Return the path of all objects, or of the one that `parts` name."""
        root = "apis" if "/" in self.api_version else "api"
        place = ("namespaces", namespace) if self.is_namespaced else ()
        return "/".join(("", root, self.api_version, *place, self.plural, *parts))

    def complete(self, item: Manifest) -> Manifest:
        """Return an item of a list, which lacks its kind, with it."""
        return {"apiVersion": self.api_version, "kind": self.kind} | item


JOBS = Resource("batch/v1", "Job", "jobs")
DEPLOYMENTS = Resource("apps/v1", "Deployment", "deployments")
REPLICATION_CONTROLLERS = Resource("v1", "ReplicationController", "replicationcontrollers")
PODS = Resource("v1", "Pod", "pods")
SECRETS = Resource("v1", "Secret", "secrets")
SERVICES = Resource("v1", "Service", "services")
DISRUPTION_BUDGETS = Resource("policy/v1", "PodDisruptionBudget", "poddisruptionbudgets")
SCALED_OBJECTS = Resource("keda.sh/v1alpha1", "ScaledObject", "scaledobjects")
EVENTS = Resource("v1", "Event", "events")
NODES = Resource("v1", "Node", "nodes", is_namespaced=False)

SETS = (DEPLOYMENTS, REPLICATION_CONTROLLERS)
OWNERS = (JOBS, *SETS)

_ALL = (*OWNERS, PODS, SECRETS, SERVICES, DISRUPTION_BUDGETS, SCALED_OBJECTS)
_BY_KIND = {(each.api_version, each.kind): each for each in _ALL}


def resource_of(manifest: Manifest) -> Resource:
    """Return what kind of object a manifest is of."""
    return _BY_KIND[manifest["apiVersion"], manifest["kind"]]
