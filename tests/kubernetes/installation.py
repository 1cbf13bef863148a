"""The platform in the cluster of KUBECONFIG, installed as its users do it.

It is `k8s/overlays/local` with its data in a folder of the tests' own, and images of the
version in KAFKA_ML_VERSION. Namespaces are the product's own, so an installation that is
not from tests is left alone, and the tests refuse to run.
"""

import json
import os
from base64 import b64decode
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from .forward import Forward
from .kubectl import PLATFORM, WORKLOADS, KubectlError, create, find, get, kubectl

ROOT = Path(__file__).parents[2]
FOLDER = "/var/lib/kafka-ml-tests"
MARK = "kafka-ml/is-from-tests"
SERVICES = ("api", "orchestrator", "control-logger", "trainer", "inferencer")
PARTS = ("relay", "api", "orchestrator", "control-logger")
SERVERS = ("postgres", "kafka")
READY_TIMEOUT = "300s"
# Fits beside the platform and another workload on a node with two CPUs.
SMALL_CHECK = '{"cpu": "500m", "memory": "1536Mi"}'


class Installation:
    """Installs, drives and removes the platform; `directory` takes its kustomization."""

    def __init__(self, *, directory: Path) -> None:
        self.directory = directory
        self.settings = {"KAFKA_ML_CHECK_RESOURCES": SMALL_CHECK}
        self._api = Forward(service="api", port=8000)
        self._kafka = Forward(service="kafka", port=29092)
        self.url = f"http://127.0.0.1:{self._api.port}"
        self.bootstrap_servers = f"127.0.0.1:{self._kafka.port}"

    def install(self) -> None:
        """Install on a cluster without Kafka-ML, and wait until it is ready."""
        self.remove()
        self.apply()
        self._api.open()
        self._kafka.open()

    def apply(self, settings: Mapping[str, str] | None = None) -> str:
        """Apply the manifests, with more settings; return what kubectl said."""
        self.settings |= settings or {}
        path = self.directory / "kustomization.yaml"
        path.write_text(yaml.safe_dump(self._kustomization()))
        said = kubectl("apply", "-k", str(self.directory))
        self.wait_ready()
        return said

    def wait_ready(self) -> None:
        """Return when all parts are as the manifests say."""
        for name in SERVERS:
            self._wait(f"statefulset/{name}")
        for name in PARTS:
            self._wait(f"deployment/{name}")

    def remove(self) -> None:
        """Remove it with its data; fail if it is somebody's."""
        _refuse_foreign()
        self.apply_nothing()
        for kind in ("persistentvolume", "clusterrole", "clusterrolebinding"):
            kubectl("delete", kind, "--selector", f"{MARK}=true", "--wait")
        _remove_folder()

    @staticmethod
    def apply_nothing() -> None:
        """Delete the namespaces, and wait until all in them is gone."""
        names = (PLATFORM, WORKLOADS, "kafka-ml-folders")
        kubectl("delete", "namespace", *names, "--ignore-not-found", "--wait")

    def close(self) -> None:
        """End the port-forwards."""
        self._api.close()
        self._kafka.close()

    @property
    def token(self) -> str:
        """The admin token, from the Secret that was made in the cluster."""
        return self.secret()["admin-token"]

    @staticmethod
    def secret() -> dict[str, str]:
        data = get(PLATFORM, "secret", "kafka-ml")["data"]
        return {key: b64decode(value).decode() for key, value in data.items()}

    @staticmethod
    def pods(part: str) -> list[dict[str, Any]]:
        """Return the pods of a part, such as `api`."""
        return find(PLATFORM, "pods", f"app.kubernetes.io/component={part}")

    def restart(self, part: str) -> None:
        """Replace the pods of a part one after the other, and wait for the new ones."""
        kubectl("rollout", "restart", "--namespace", PLATFORM, f"deployment/{part}")
        self._wait(f"deployment/{part}")

    def scale(self, part: str, replicas: int) -> None:
        """Run a part with another number of replicas; 0 stops it."""
        kubectl(
            *("scale", "--namespace", PLATFORM, f"deployment/{part}"),
            f"--replicas={replicas}",
        )
        self._wait(f"deployment/{part}")
        if replicas == 0:
            selector = f"app.kubernetes.io/component={part}"
            kubectl("wait", "-n", PLATFORM, "--for=delete", "pod", "--selector", selector)

    def logs(self, part: str) -> str:
        return kubectl("logs", "--namespace", PLATFORM, f"deployment/{part}")

    @staticmethod
    def _wait(name: str) -> None:
        options = ["--namespace", PLATFORM, "--timeout", READY_TIMEOUT]
        try:
            kubectl("rollout", "status", name, *options)
        except KubectlError as e:
            shown = kubectl("get", "pods,events", "--namespace", PLATFORM)
            raise KubectlError(f"{e}\n{shown}") from e

    def _kustomization(self) -> dict[str, Any]:
        overlay = os.path.relpath(ROOT / "k8s" / "overlays" / "local", self.directory)
        tag = os.environ.get("KAFKA_ML_VERSION", "0.1.0")
        return {
            "resources": [overlay],
            "images": [{"name": f"kafka-ml/{each}", "newTag": tag} for each in SERVICES],
            "labels": [{"pairs": {MARK: "true"}}],
            "patches": [*_other_folders()],
            "configMapGenerator": [
                _more("kafka", {"KAFKA_ADVERTISED_LISTENERS": self._listeners()}),
                _more("settings", self.settings),
            ],
        }

    def _listeners(self) -> str:
        return f"CLUSTER://kafka.kafka-ml.svc:9092,FORWARDED://{self.bootstrap_servers}"


def _more(name: str, values: Mapping[str, str]) -> dict[str, Any]:
    return {
        "name": name,
        "namespace": PLATFORM,
        "behavior": "merge",
        "literals": [f"{key}={value}" for key, value in values.items()],
    }


def _other_folders() -> list[dict[str, Any]]:
    def replace(target: dict[str, str], path: str, folder: str) -> dict[str, Any]:
        operation = {"op": "replace", "path": path, "value": folder}
        return {"target": target, "patch": json.dumps([operation])}

    volumes = [
        replace(
            {"kind": "PersistentVolume", "name": f"kafka-ml-{name}"},
            "/spec/hostPath/path",
            f"{FOLDER}/{name}",
        )
        for name in ("kafka", "postgres", "artifacts")
    ]
    path = "/spec/template/spec/volumes/0/hostPath/path"
    return [*volumes, replace({"kind": "Job", "name": "make-folders"}, path, FOLDER)]


def _refuse_foreign() -> None:
    for item in json.loads(kubectl("get", "namespaces", "--output", "json"))["items"]:
        name, labels = item["metadata"]["name"], item["metadata"].get("labels", {})
        if name in {PLATFORM, WORKLOADS} and MARK not in labels:
            raise KubectlError(
                f"The namespace {name} is not from tests, so they leave it alone. To have "
                "them run here: kubectl delete -k k8s/overlays/local --ignore-not-found"
            )


def _remove_folder() -> None:
    """Empty the folder of the tests on the node, which only root can."""
    name = "kafka-ml-tests-cleaner"
    folder = {"name": "folder", "hostPath": {"path": FOLDER, "type": "DirectoryOrCreate"}}
    container = {
        "name": name,
        "image": "postgres:18",
        "command": ["sh", "-c", "rm -rf /folder/*"],
        "securityContext": {"runAsUser": 0},
        "volumeMounts": [{"name": "folder", "mountPath": "/folder"}],
    }
    spec = {"restartPolicy": "Never", "containers": [container], "volumes": [folder]}
    metadata = {"name": name, "namespace": "default"}
    kubectl("delete", "pod", name, "--namespace", "default", "--ignore-not-found")
    create({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec})
    done = "--for=jsonpath={.status.phase}=Succeeded"
    kubectl("wait", "-n", "default", done, f"pod/{name}", "--timeout=60s")
    kubectl("delete", "pod", name, "--namespace", "default")
