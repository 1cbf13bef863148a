"""Who may do what, asked of the cluster itself."""

import itertools
import json
from typing import Any

import pytest

from .installation import Installation
from .kubectl import PLATFORM, WORKLOADS, find, kubectl

pytestmark = pytest.mark.usefixtures("platform")

VERBS = (
    *("get", "list", "watch", "create", "update", "patch", "delete"),
    "deletecollection",
)
RESOURCES = (
    *("batch/jobs", "batch/cronjobs", "apps/deployments", "apps/statefulsets"),
    *("apps/daemonsets", "/replicationcontrollers", "/pods", "/pods/log", "/pods/exec"),
    *("/pods/portforward", "/pods/ephemeralcontainers", "/secrets", "/configmaps"),
    *("/services", "/serviceaccounts", "/serviceaccounts/token", "/events"),
    *("/resourcequotas", "policy/poddisruptionbudgets", "/persistentvolumeclaims"),
    *("networking.k8s.io/networkpolicies", "rbac.authorization.k8s.io/roles"),
    *("rbac.authorization.k8s.io/rolebindings", "keda.sh/scaledobjects"),
)
CLUSTER_RESOURCES = (
    *("/nodes", "/namespaces", "/persistentvolumes", "/nodes/proxy"),
    *("rbac.authorization.k8s.io/clusterroles", "apiextensions.k8s.io/customresources"),
)
NAMESPACES = (PLATFORM, WORKLOADS, "default", "kube-system")
ORCHESTRATOR = {
    "batch/jobs": {"create", "get", "list", "watch", "delete"},
    "apps/deployments": {"create", "get", "list", "patch", "delete"},
    "/replicationcontrollers": {"create", "get", "list", "patch", "delete"},
    "/pods": {"list", "watch", "delete"},
    "/pods/log": {"get"},
    "/secrets": {"create", "get", "list", "delete"},
    "/services": {"create", "get", "delete"},
    "policy/poddisruptionbudgets": {"create", "get", "delete"},
    "/events": {"list"},
}

Permission = tuple[str, str, str]


def allowed(account: str) -> set[Permission]:
    """Ask for every verb on every resource; return (namespace, resource, verb)."""
    asked = [
        *itertools.product(NAMESPACES, RESOURCES, VERBS),
        *itertools.product([""], CLUSTER_RESOURCES, VERBS),
    ]
    answers = ask([review(account, *each) for each in asked])
    return set(itertools.compress(asked, answers))


def ask(reviews: list[dict[str, Any]]) -> list[bool]:
    """Return for each review whether it is allowed."""
    text = json.dumps({"apiVersion": "v1", "kind": "List", "items": reviews})
    path = "jsonpath={.status.allowed}{'\\n'}"
    answers = kubectl("create", "-f", "-", "--output", path, stdin=text).split()
    assert len(answers) == len(reviews)
    return [answer == "true" for answer in answers]


def review(
    account: str, namespace: str, resource: str, verb: str, name: str = ""
) -> dict[str, Any]:
    group, plural, *sub = resource.split("/")
    attributes = {
        "namespace": namespace,
        "group": group,
        "resource": plural,
        "subresource": "".join(sub),
        "verb": verb,
        "name": name,
    }
    groups = ["system:serviceaccounts", "system:authenticated"]
    return {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SubjectAccessReview",
        "spec": {
            "user": f"system:serviceaccount:{account}",
            "groups": groups,
            "resourceAttributes": attributes,
        },
    }


def test_the_orchestrator_may_do_what_it_does_and_nothing_else() -> None:
    expected = {
        (WORKLOADS, resource, verb)
        for resource, verbs in ORCHESTRATOR.items()
        for verb in verbs
    }
    assert allowed(f"{PLATFORM}:orchestrator") == expected | {("", "/nodes", "list")}


def test_who_makes_secrets_may_make_one_and_add_to_it() -> None:
    account = f"{PLATFORM}:secret-maker"
    assert allowed(account) == {(PLATFORM, "/secrets", "create")}
    asked = list(itertools.product(("kafka-ml", "another"), VERBS))
    answers = ask(
        [review(account, PLATFORM, "/secrets", verb, name=name) for name, verb in asked]
    )
    may = set(itertools.compress(asked, answers))
    # To create is never bound to a name.
    creates = {("kafka-ml", "create"), ("another", "create")}
    assert may - creates == {("kafka-ml", "get"), ("kafka-ml", "patch")}


@pytest.mark.parametrize("namespace", [PLATFORM, WORKLOADS])
def test_nobody_else_may_do_anything(namespace: str) -> None:
    assert allowed(f"{namespace}:default") == set()


def test_only_the_orchestrator_and_who_makes_secrets_see_a_token(
    platform: Installation,
) -> None:
    assert platform.pods("api")
    platform.apply()  # its Job is removed soon after its end
    holders = {
        (pod["metadata"]["labels"]["app.kubernetes.io/component"], container["name"])
        for pod in find(PLATFORM, "pods")
        for container in pod["spec"].get("initContainers", []) + pod["spec"]["containers"]
        for mount in container.get("volumeMounts", [])
        if "serviceaccount" in mount["mountPath"]
    }
    assert holders == {("orchestrator", "orchestrator"), ("migration", "make-secrets")}
