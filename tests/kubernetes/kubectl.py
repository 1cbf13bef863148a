"""kubectl, as people use it; raises `KubectlError` with what it said."""

import json
import os
import subprocess
from typing import Any

Manifest = dict[str, Any]

KUBECTL = os.environ.get("KUBECTL", "kubectl")
PLATFORM = "kafka-ml"
WORKLOADS = "kafka-ml-workloads"
TIMEOUT_SECONDS = 600


class KubectlError(AssertionError):
    """kubectl ended with another code than 0."""


def kubectl(*arguments: str, stdin: str | None = None) -> str:
    """Run kubectl on the cluster of KUBECONFIG; return what it printed."""
    done = subprocess.run(
        [KUBECTL, *arguments],
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
        timeout=TIMEOUT_SECONDS,
    )
    if done.returncode:
        command = " ".join(["kubectl", *arguments])
        raise KubectlError(f"{command}: {done.stdout[-2000:]}{done.stderr[-4000:]}")
    return done.stdout


def get(namespace: str, *arguments: str) -> Manifest:
    """Return what `kubectl get` shows."""
    shown = kubectl("get", "--namespace", namespace, "--output", "json", *arguments)
    found: Manifest = json.loads(shown)
    return found


def find(namespace: str, kind: str, labels: str = "") -> list[Manifest]:
    """Return all objects of a kind, or those that a selector matches."""
    items: list[Manifest] = get(namespace, kind, "--selector", labels)["items"]
    return items


def patch(namespace: str, name: str, changes: Manifest) -> None:
    """Merge changes into an object, such as `resourcequota/workloads`."""
    text = json.dumps(changes)
    kubectl("patch", "--namespace", namespace, name, "--type", "merge", "--patch", text)


def create(manifest: Manifest, *arguments: str) -> Manifest:
    """Create an object and return it; `--dry-run=server` only asks whether it could be."""
    text = json.dumps(manifest)
    options = ["--output", "json", *arguments]
    made: Manifest = json.loads(kubectl("create", "-f", "-", *options, stdin=text))
    return made
