"""A cluster in memory: what the API server keeps, and what the controllers make of it."""

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from itertools import count
from typing import Any
from uuid import uuid4

from kafkaml.schemas.deployments import memory_bytes

Manifest = dict[str, Any]

SETS = ("deployments", "replicationcontrollers")
NODE = "node-1"


@dataclass
class FakeCluster:
    """One namespace on one node. Nothing happens by itself, but in `turn`.

    `images` are those that can be pulled, None for all; `pod_quota` is how many pods there
    may be; pods named in `stuck` never end, as on a node that is lost.
    """

    clock: Callable[[], datetime]
    objects: dict[tuple[str, str], Manifest] = field(default_factory=dict)
    changes: list[tuple[int, str, str, Manifest]] = field(default_factory=list)
    logs: dict[str, bytes] = field(default_factory=dict)
    previous_logs: dict[str, bytes] = field(default_factory=dict)
    images: set[str] | None = None
    memory: str = "16Gi"
    pod_quota: int | None = None
    stuck: set[str] = field(default_factory=set)
    revision: int = 100

    def __post_init__(self) -> None:
        self._numbers = count()
        ready = {"type": "Ready", "status": "True"}
        room = {"memory": self.memory, "cpu": "8", "ephemeral-storage": "100Gi"}
        status = {"conditions": [ready], "allocatable": room}
        self.create("nodes", {"metadata": {"name": NODE}, "status": status})

    # What the API server does

    def all(self, plural: str) -> list[Manifest]:
        return [each for (kind, _), each in sorted(self.objects.items()) if kind == plural]

    def get(self, plural: str, name: str) -> Manifest | None:
        return self.objects.get((plural, name))

    def create(self, plural: str, manifest: Manifest) -> Manifest | None:
        key = plural, manifest["metadata"]["name"]
        if key in self.objects:
            return None
        made = copy.deepcopy(manifest)
        made["metadata"] |= {"uid": str(uuid4()), "creationTimestamp": self._now()}
        self.objects[key] = made
        self._note(plural, "ADDED", made)
        return made

    def delete(self, plural: str, name: str, policy: str | None = "Background") -> None:
        """Delete as the server does: pods end first, what is owned follows or not."""
        found = self.objects[plural, name]
        if policy in {None, "Orphan"}:
            self._orphan(found)
        if plural == "pods":
            found["metadata"].setdefault("deletionTimestamp", self._now())
            self._note(plural, "MODIFIED", found)
        else:
            self._remove(plural, name)

    def changed(self, plural: str, item: Manifest) -> Manifest:
        self._note(plural, "MODIFIED", item)
        return item

    # What people and nodes do

    def pods(self, workload: str = "") -> list[Manifest]:
        """Return the pods of a workload, or all, in the order of their creation."""
        pods = [pod for pod in self.all("pods") if workload in {"", _workload_of(pod)}]
        return sorted(pods, key=lambda pod: int(pod["metadata"]["name"].split("-")[-1]))

    def running(self, workload: str = "") -> list[Manifest]:
        return [
            pod for pod in self.pods(workload) if pod["status"].get("phase") == "Running"
        ]

    def end(self, pod: Manifest, exit_code: int, reason: str = "") -> None:
        """Let a container end; one of a set is started again in its pod."""
        [container] = pod["status"]["containerStatuses"]
        word = reason or ("Error" if exit_code else "Completed")
        started = container["state"]["running"]["startedAt"]
        end = {"exitCode": exit_code, "reason": word, "startedAt": started}
        ended = {"terminated": end | {"finishedAt": self._now()}}
        if pod["spec"]["restartPolicy"] == "Always":
            name = pod["metadata"]["name"]
            self.previous_logs[name], self.logs[name] = self.logs[name], b""
            container |= {"lastState": ended, "restartCount": container["restartCount"] + 1}
            container["state"] = {"running": {"startedAt": self._now()}}
        else:
            container["state"] = ended
            pod["status"]["phase"] = "Failed" if exit_code else "Succeeded"
            pod["status"]["conditions"] = [
                each for each in pod["status"]["conditions"] if each["type"] != "Ready"
            ]
        self._note("pods", "MODIFIED", pod)

    def evict(self, pod: Manifest) -> None:
        """Delete a pod as a drain of its node does."""
        disruption = {"type": "DisruptionTarget", "status": "True"}
        pod["status"].setdefault("conditions", []).append(disruption)
        self.delete("pods", pod["metadata"]["name"])

    # What controllers do

    def turn(self) -> None:
        """Let every controller and the node do what is due."""
        for pod in self.pods():
            if "deletionTimestamp" in pod["metadata"]:
                self._finish_pod(pod)
        for plural, item in self._garbage():
            self.delete(plural, item["metadata"]["name"])
        for job in self.all("jobs"):
            self._control_job(job)
        for plural in SETS:
            for owner in self.all(plural):
                self._control_set(plural, owner)
        for pod in self.pods():
            if pod["status"]["phase"] == "Pending":
                self._run(pod)

    def _finish_pod(self, pod: Manifest) -> None:
        name = pod["metadata"]["name"]
        if name in self.stuck:
            return
        if pod["status"]["phase"] == "Running" and pod["spec"]["restartPolicy"] == "Never":
            self.end(pod, 143)
        is_disrupted = _has_condition(pod, "DisruptionTarget")
        for job in self.all("jobs"):
            if _owns(job, pod) and not is_disrupted:
                job.setdefault("status", {})["failed"] = 1
        self._remove("pods", name)

    def _garbage(self) -> Iterator[tuple[str, Manifest]]:
        """Yield what has owners, all of which are gone."""
        uids = {each["metadata"]["uid"] for each in self.objects.values()}
        for (plural, _), item in list(self.objects.items()):
            owners = {each["uid"] for each in item["metadata"].get("ownerReferences", [])}
            if owners and not owners & uids:
                yield plural, item

    def _control_job(self, job: Manifest) -> None:
        status = job.setdefault("status", {})
        pods = [pod for pod in self.pods() if _owns(job, pod)]
        lasting = [pod for pod in pods if not _has_condition(pod, "DisruptionTarget")]
        phases = {pod["status"]["phase"] for pod in lasting}
        if status.get("conditions"):
            return
        if "Succeeded" in phases:
            status["conditions"] = [self._condition("Complete")]
        elif "Failed" in phases or status.get("failed"):
            failed = self._condition("Failed") | {"reason": "BackoffLimitExceeded"}
            status["conditions"] = [failed]
        elif not any(pod["status"]["phase"] in {"Pending", "Running"} for pod in pods):
            self._make_pod("jobs", job)
        self._note("jobs", "MODIFIED", job)

    def _control_set(self, plural: str, owner: Manifest) -> None:
        pods = [
            pod
            for pod in self.pods()
            if _owns(owner, pod) and "deletionTimestamp" not in pod["metadata"]
        ]
        for _ in range(owner["spec"]["replicas"] - len(pods)):
            self._make_pod(plural, owner)
        for pod in pods[owner["spec"]["replicas"] :]:
            self.delete("pods", pod["metadata"]["name"])

    def _make_pod(self, plural: str, owner: Manifest) -> None:
        if self.pod_quota is not None and len(self.pods()) >= self.pod_quota:
            self._refuse_pod(plural, owner)
            return
        template = copy.deepcopy(owner["spec"]["template"])
        reference = {"uid": owner["metadata"]["uid"], "controller": True}
        template["metadata"] |= {
            "name": f"{owner['metadata']['name']}-{next(self._numbers)}",
            "ownerReferences": [reference],
        }
        self.create("pods", template | {"status": {"phase": "Pending", "conditions": []}})

    def _refuse_pod(self, plural: str, owner: Manifest) -> None:
        quota = self.pod_quota
        text = (
            f"pods is forbidden: exceeded quota: pods, requested: pods=1, "
            f"used: pods={quota}, limited: pods={quota}"
        )
        if plural == "jobs":
            self._warn(owner, "FailedCreate", f"Error creating: {text}")
        else:
            failure = self._condition("ReplicaFailure") | {"message": text}
            owner["status"] = {"conditions": [failure]}

    def _run(self, pod: Manifest) -> None:
        """Do what scheduler and kubelet do for a pod that does not run yet."""
        [container] = pod["spec"]["containers"]
        asked = container["resources"]["requests"]["memory"]
        if memory_bytes(asked) > memory_bytes(self.memory):
            text = "0/1 nodes are available: 1 Insufficient memory."
            scheduled = {"type": "PodScheduled", "status": "False"}
            scheduled |= {"reason": "Unschedulable", "message": text}
            pod["status"]["conditions"] = [scheduled | {"lastTransitionTime": self._now()}]
            self._warn(pod, "FailedScheduling", text)
            return
        pod["spec"]["nodeName"] = NODE
        pod["status"]["containerStatuses"] = [
            {"name": container["name"], "restartCount": 0, "state": self._state(container)}
        ]
        if "running" in pod["status"]["containerStatuses"][0]["state"]:
            pod["status"] |= {"phase": "Running", "conditions": [self._condition("Ready")]}
            self.logs.setdefault(pod["metadata"]["name"], b"")
        self._note("pods", "MODIFIED", pod)

    def _state(self, container: Manifest) -> Manifest:
        [secret] = [each["secretRef"]["name"] for each in container["envFrom"]]
        if self.get("secrets", secret) is None:
            text = f'secret "{secret}" not found'
            return {"waiting": {"reason": "CreateContainerConfigError", "message": text}}
        image = container["image"]
        if self.images is not None and image not in self.images:
            text = f'Back-off pulling image "{image}": ErrImagePull: {image}: not found'
            return {"waiting": {"reason": "ImagePullBackOff", "message": text}}
        return {"running": {"startedAt": self._now()}}

    # What all of them use

    def _warn(self, item: Manifest, reason: str, message: str) -> None:
        about = {"uid": item["metadata"]["uid"], "name": item["metadata"]["name"]}
        seen = {"firstTimestamp": self._now(), "lastTimestamp": self._now()}
        event = {"metadata": {"name": f"event-{next(self._numbers)}"}, "type": "Warning"}
        event |= {"involvedObject": about, "reason": reason, "message": message, **seen}
        self.create("events", event)

    def _orphan(self, owner: Manifest) -> None:
        for item in self.objects.values():
            references = item["metadata"].get("ownerReferences", [])
            item["metadata"]["ownerReferences"] = [
                each for each in references if each["uid"] != owner["metadata"]["uid"]
            ]

    def _remove(self, plural: str, name: str) -> None:
        self._note(plural, "DELETED", self.objects.pop((plural, name)))

    def _note(self, plural: str, change: str, item: Manifest) -> None:
        self.revision += 1
        item["metadata"]["resourceVersion"] = str(self.revision)
        self.changes.append((self.revision, change, plural, copy.deepcopy(item)))

    def _condition(self, kind: str) -> Manifest:
        return {"type": kind, "status": "True", "lastTransitionTime": self._now()}

    def _now(self) -> str:
        return self.clock().strftime("%Y-%m-%dT%H:%M:%SZ")


def _workload_of(item: Manifest) -> str:
    return str(item["metadata"].get("labels", {}).get("kafka-ml/workload"))


def _owns(owner: Manifest, item: Manifest) -> bool:
    references = item["metadata"].get("ownerReferences", [])
    return owner["metadata"]["uid"] in {each["uid"] for each in references}


def _has_condition(item: Manifest, kind: str) -> bool:
    return kind in {each["type"] for each in item["status"].get("conditions", [])}
