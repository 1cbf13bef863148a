"""What the two namespaces keep out, by the rules of the cluster."""

import pytest

from .installation import Installation
from .kubectl import PLATFORM, WORKLOADS, KubectlError, Manifest, create, find, get, patch

pytestmark = pytest.mark.usefixtures("platform")


def pod(namespace: str, **changes: object) -> Manifest:
    """Return a pod that keeps every rule, but for the changes of its container."""
    container = {
        "name": "intruder",
        "image": "postgres:18",
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "runAsNonRoot": True,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "resources": {"limits": {"cpu": "10m", "memory": "16Mi"}},
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"generateName": "intruder-", "namespace": namespace},
        "spec": {"containers": [container | changes]},
    }


@pytest.mark.parametrize("namespace", [PLATFORM, WORKLOADS])
def test_no_pod_with_privileges_gets_in(namespace: str) -> None:
    create(pod(namespace), "--dry-run=server")
    with pytest.raises(KubectlError, match="violates PodSecurity"):
        create(pod(namespace, securityContext={"privileged": True}), "--dry-run=server")
    with pytest.raises(KubectlError, match="violates PodSecurity"):
        create(pod(namespace, securityContext={}), "--dry-run=server")


def test_workloads_have_a_quota_that_holds() -> None:
    quota = get(WORKLOADS, "resourcequota", "workloads")["spec"]["hard"]
    assert {"pods", "requests.cpu", "requests.memory", "limits.memory"} <= quota.keys()
    patch(WORKLOADS, "resourcequota/workloads", {"spec": {"hard": {"limits.cpu": "1"}}})
    too_much = {"resources": {"limits": {"cpu": "2", "memory": "16Mi"}}}
    try:
        with pytest.raises(KubectlError, match="exceeded quota"):
            create(pod(WORKLOADS, **too_much), "--dry-run=server")
    finally:
        patch(WORKLOADS, "resourcequota/workloads", {"spec": {"hard": quota}})


def test_workloads_cannot_open_the_cluster() -> None:
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "door", "namespace": WORKLOADS},
        "spec": {"type": "NodePort", "ports": [{"port": 80}]},
    }
    with pytest.raises(KubectlError, match="exceeded quota"):
        create(service, "--dry-run=server")


@pytest.mark.parametrize("namespace", [PLATFORM, WORKLOADS])
def test_nobody_reaches_anybody_unless_it_is_said(namespace: str) -> None:
    policies = find(namespace, "networkpolicies")
    (deny,) = [each for each in policies if each["metadata"]["name"] == "default-deny"]
    assert deny["spec"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}


def test_the_code_of_users_reaches_names_the_api_and_kafka_alone(
    platform: Installation,
) -> None:
    ports = {
        (port["protocol"], port["port"])
        for policy in find(WORKLOADS, "networkpolicies")
        for rule in policy["spec"].get("egress", [])
        for port in rule["ports"]
        if rule["to"]
    }
    assert ports == {("UDP", 53), ("TCP", 53), ("TCP", 8000), ("TCP", 9092)}
    assert platform.pods("api")


def test_the_api_alone_reaches_inferences_and_nobody_reaches_trainings() -> None:
    component = "app.kubernetes.io/component"
    policies = [each["spec"] for each in find(WORKLOADS, "networkpolicies")]
    (inward,) = [each for each in policies if each.get("ingress")]
    assert inward["podSelector"]["matchLabels"][component] == "inference"
    (rule,) = inward["ingress"]
    assert [each["port"] for each in rule["ports"]] == [8080]
    (caller,) = rule["from"]
    assert caller["podSelector"]["matchLabels"][component] == "api"
    assert caller["namespaceSelector"]["matchLabels"] == {
        "kubernetes.io/metadata.name": PLATFORM
    }
