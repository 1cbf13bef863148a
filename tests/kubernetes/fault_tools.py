"""Faults that tests do to a cluster, and trainings to do them to."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import uuid4

from kafkaml.client import Client
from kafkaml.schemas.trainings import Training
from tests.support.waiting import eventually

from .kubectl import PLATFORM, WORKLOADS, Manifest, create, find, get, kubectl, patch
from .scenarios import RESOURCES, pods_of, running_pod

SOON = timedelta(minutes=1)
# Fits on the node, and not beside what runs there.
WAITS = {"cpu": "1900m", "memory": "128Mi"}
OF_ORCHESTRATOR = "app.kubernetes.io/component=orchestrator"
_KILL_TRAINER = """
for process in /proc/[0-9]*; do
    if grep -q "$UID_OF_POD" $process/cgroup && grep -q trainer $process/cmdline; then
        kill -9 ${process#/proc/} && echo killed
    fi
done
"""
# A frozen server takes connections and never answers, which is worse than one that is gone.
_FREEZE_SERVER = """
servers=$(grep -lx kube-apiserver /proc/[0-9]*/comm | cut -d / -f 3)
trap 'kill -CONT $servers' EXIT
kill -STOP $servers && echo frozen
"""


@dataclass
class Trainings:
    """Starts trainings of one model, and ends those that a test leaves."""

    client: Client
    configuration_id: int
    started: list[int] = field(default_factory=list)

    def start(self, resources: dict[str, str] | None = None) -> Training:
        deployment = self.client.deployments.create(
            configuration_id=self.configuration_id,
            epochs=3,
            resources=resources or RESOURCES,
        )
        (training,) = deployment.trainings
        self.started.append(training.id)
        return training

    def start_running(self) -> tuple[Training, Manifest]:
        """Start one that waits for a stream that never comes; return it with its pod."""
        training = self.start()
        return training, running_pod("training", training.id)

    def get(self, training: Training) -> Training:
        return self.client.trainings.get(training.id)

    def stop_all(self) -> None:
        """Stop what is not over, and wait until nothing of it is left."""
        for number in self.started:
            if not self.client.trainings.get(number).state.is_final:
                self.client.trainings.stop(number)
        for number in self.started:
            eventually(lambda number=number: is_gone(number) or None, SOON)  # type: ignore[misc]
        self.started.clear()


def is_gone(training: int) -> bool:
    """Tell whether no object of a training is left."""
    labels = f"kafka-ml/id={training},app.kubernetes.io/component=training"
    return not find(WORKLOADS, "jobs,pods,secrets", labels)


def another_pod(training: Training, before: Manifest) -> Manifest:
    """Wait until another pod than the one before runs, and return it."""
    uid = before["metadata"]["uid"]

    def attempt() -> Manifest | None:
        pods = [pod for pod in pods_of("training", training.id) if is_running(pod)]
        return next((pod for pod in pods if pod["metadata"]["uid"] != uid), None)

    return eventually(attempt, SOON)


def is_running(pod: Manifest) -> bool:
    return (
        pod["status"]["phase"] == "Running" and "deletionTimestamp" not in pod["metadata"]
    )


def delete_pod(pod: Manifest, *options: str) -> None:
    metadata = pod["metadata"]
    where = ("--namespace", metadata["namespace"])
    kubectl("delete", "pod", metadata["name"], *where, "--wait=false", *options)


def kill_trainer(pod: Manifest) -> None:
    """End the processes of a trainer as the kernel does, from its node."""
    said = _run_on_node(pod, _KILL_TRAINER, timedelta(seconds=60))
    assert "killed" in said


def freeze_api_server(duration: timedelta, *, victim: Manifest) -> None:
    """Let the API server answer nobody for a while; meanwhile kill a trainer."""
    script = f"{_FREEZE_SERVER}{_KILL_TRAINER}sleep {duration.total_seconds():.0f}\n"
    said = _run_on_node(victim, script, duration + timedelta(minutes=2))
    assert "frozen" in said
    assert "killed" in said


def _run_on_node(pod: Manifest, script: str, timeout: timedelta) -> str:
    """Run a script as the root of a pod's node; return what it printed when it is done."""
    name = f"kafka-ml-tests-node-{uuid4().hex[:6]}"
    container = {
        "name": "node",
        "image": "postgres:18",
        "command": ["sh", "-c", script],
        "env": [{"name": "UID_OF_POD", "value": pod["metadata"]["uid"]}],
        "securityContext": {"privileged": True, "runAsUser": 0},
    }
    spec = {
        "hostPID": True,
        "nodeName": pod["spec"]["nodeName"],
        "restartPolicy": "Never",
        "containers": [container],
    }
    metadata = {"name": name, "namespace": "default"}
    create({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec})
    try:
        done = "--for=jsonpath={.status.phase}=Succeeded"
        limit = f"--timeout={timeout.total_seconds():.0f}s"
        kubectl("wait", "-n", "default", done, f"pod/{name}", limit)
        return kubectl("logs", "--namespace", "default", name)
    finally:
        kubectl("delete", "pod", name, "--namespace", "default", "--wait=false")


def evict(pod: Manifest) -> None:
    """Ask for the eviction of a pod, as the drain of its node does."""
    metadata = {key: pod["metadata"][key] for key in ("name", "namespace")}
    body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": metadata}
    path = "/api/v1/namespaces/{namespace}/pods/{name}/eviction".format(**metadata)
    kubectl("create", "--raw", path, "-f", "-", stdin=json.dumps(body))


@contextmanager
def cordoned(node: str) -> Iterator[None]:
    """Let no pod be placed on a node."""
    kubectl("cordon", node)
    try:
        yield
    finally:
        kubectl("uncordon", node)


@contextmanager
def quota(**hard: str) -> Iterator[None]:
    """Give the namespace of workloads other bounds; names have `_` for `.`."""
    before = get(WORKLOADS, "resourcequota", "workloads")["spec"]["hard"]
    bounds = {name.replace("_", "."): value for name, value in hard.items()}
    patch(WORKLOADS, "resourcequota/workloads", {"spec": {"hard": bounds}})
    try:
        yield
    finally:
        old: dict[str, str | None] = dict.fromkeys(bounds)
        patch(WORKLOADS, "resourcequota/workloads", {"spec": {"hard": old | before}})


@contextmanager
def orchestrator_with(name: str, value: str) -> Iterator[None]:
    """Run the orchestrator with another environment."""
    (container,) = get(PLATFORM, "deployment", "orchestrator")["spec"]["template"]["spec"][
        "containers"
    ]
    before = {each["name"]: each.get("value") for each in container["env"]}.get(name)
    _set_environment(f"{name}={value}")
    try:
        yield
    finally:
        _set_environment(f"{name}-" if before is None else f"{name}={before}")


@contextmanager
def without_permission(verb: str, resource: str) -> Iterator[None]:
    """Take what may be done to a kind of objects from the orchestrator's role."""
    before = get(WORKLOADS, "role", "orchestrator")["rules"]
    after = deepcopy(before)
    for rule in after:
        if rule["resources"] == [resource]:
            rule["verbs"].remove(verb)
    patch(WORKLOADS, "role/orchestrator", {"rules": after})
    try:
        yield
    finally:
        patch(WORKLOADS, "role/orchestrator", {"rules": before})


def _set_environment(assignment: str) -> None:
    where = ("--namespace", PLATFORM, "deployment/orchestrator")
    kubectl("set", "env", *where, assignment)
    kubectl("rollout", "status", *where, "--timeout", "120s")


def kill_orchestrators() -> None:
    """End all orchestrators at once, as a power cut does."""
    selector = ("--selector", OF_ORCHESTRATOR, "--namespace", PLATFORM)
    kubectl("delete", "pod", *selector, "--force", "--grace-period=0", "--wait=false")


def leave_behind(name: str, container: dict[str, Any], *, with_secret: bool) -> str:
    """Leave a Job of a platform whose database is gone; return its uid."""
    kind, number, attempt = name.split("-")[1:]
    labels = {
        "app.kubernetes.io/managed-by": "kafka-ml-orchestrator",
        "app.kubernetes.io/component": kind,
        "kafka-ml/workload": name,
        "kafka-ml/id": number,
        "kafka-ml/attempt": attempt,
        "kafka-ml/platform": str(uuid4()),
    }
    spec = {
        "restartPolicy": "Never",
        "terminationGracePeriodSeconds": 5,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": 10001,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [
            {
                "name": "trainer",
                "image": container["image"],
                "command": ["sleep", "600"],
                "securityContext": container["securityContext"],
                "resources": {"limits": {"cpu": "50m", "memory": "64Mi"}},
            }
        ],
    }
    metadata = {"name": name, "namespace": WORKLOADS, "labels": labels}
    template = {"metadata": {"labels": labels}, "spec": spec}
    job = {"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata}
    made = create(job | {"spec": {"backoffLimit": 0, "template": template}})
    if with_secret:
        owner = {"apiVersion": "batch/v1", "kind": "Job", "name": name}
        owners = [owner | {"uid": made["metadata"]["uid"]}]
        owned = {"metadata": metadata | {"ownerReferences": owners}}
        create({"apiVersion": "v1", "kind": "Secret"} | owned)
    return str(made["metadata"]["uid"])
