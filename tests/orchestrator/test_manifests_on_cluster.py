"""What a real API server says of the manifests, in a namespace that restricts pods."""

import secrets
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from orchestrator.executors.kubernetes.connection import (
    SERVICE_ACCOUNT,
    Call,
    Connection,
    Query,
    read_answer,
)
from orchestrator.executors.kubernetes.resources import (
    PODS,
    SCALED_OBJECTS,
    Resource,
    resource_of,
)

from .manifest_cases import CASES, Manifest

pytestmark = pytest.mark.kubernetes

NAMESPACES = Resource("v1", "Namespace", "namespaces", is_namespaced=False)
RESTRICTED = {
    f"pod-security.kubernetes.io/{mode}": "restricted"
    for mode in ("enforce", "warn", "audit")
}
TRIAL = (("dryRun", "All"), ("fieldValidation", "Strict"))
# KEDA's is not a kind that every cluster knows.
KNOWN = [name for name in CASES if CASES[name]()["kind"] != SCALED_OBJECTS.kind]
WITH_PODS = [name for name in KNOWN if "template" in CASES[name]().get("spec", {})]


@pytest.fixture
async def connection() -> AsyncIterator[Connection]:
    async with Connection.open(
        service_account=SERVICE_ACCOUNT, time_limit=timedelta(seconds=20)
    ) as opened:
        yield opened


@pytest.fixture
async def namespace(connection: Connection) -> AsyncIterator[str]:
    name = f"manifests-{secrets.token_hex(4)}"
    manifest = {"metadata": {"name": name, "labels": RESTRICTED}}
    path = NAMESPACES.path("")
    await post(connection, path, manifest)
    yield name
    await connection.ask(Call(method="DELETE", path=NAMESPACES.path("", name)))


async def post(
    connection: Connection, path: str, manifest: Manifest, query: Query = ()
) -> list[str]:
    """Return the warnings; raise `ExecutorError` if it was refused."""
    call = Call(method="POST", path=path, query=query, body=manifest)
    async with connection.stream(call) as response:
        answer = await read_answer(response)
        answer.to_manifest(f"creating {manifest['metadata']['name']}")
        return response.headers.getall("Warning", [])


@pytest.mark.parametrize("name", KNOWN)
async def test_a_manifest_is_accepted_without_a_warning(
    name: str, connection: Connection, namespace: str
) -> None:
    manifest = CASES[name]()
    manifest["metadata"]["namespace"] = namespace
    path = resource_of(manifest).path(namespace)
    assert await post(connection, path, manifest, TRIAL) == []


@pytest.mark.parametrize("name", WITH_PODS)
async def test_its_pods_are_let_in(
    name: str, connection: Connection, namespace: str
) -> None:
    template = CASES[name]()["spec"]["template"]
    # These have to be in the cluster before a pod may name them.
    for field in ("priorityClassName", "runtimeClassName"):
        template["spec"].pop(field, None)
    template["metadata"]["name"] = "pod"
    assert await post(connection, PODS.path(namespace), template, TRIAL) == []


async def test_a_manifest_that_is_no_good_would_be_noticed(
    connection: Connection, namespace: str
) -> None:
    manifest = CASES["training-job"]()
    manifest["metadata"]["namespace"] = namespace
    spec = manifest["spec"]["template"]["spec"]
    spec["containers"][0]["securityContext"]["allowPrivilegeEscalation"] = True
    path = resource_of(manifest).path(namespace)
    warnings = await post(connection, path, manifest, TRIAL)
    assert "allowPrivilegeEscalation" in str(warnings)
