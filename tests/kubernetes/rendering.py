"""What kustomize makes of the folders in k8s/, without a cluster."""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import yaml

from .installation import ROOT
from .kubectl import Manifest, kubectl

K8S = ROOT / "k8s"
OVERLAYS = sorted(path.name for path in (K8S / "overlays").iterdir())
BASE = "base"


def build(folder: Path) -> list[Manifest]:
    """Return the manifests of a kustomization."""
    return [each for each in yaml.safe_load_all(kubectl("kustomize", str(folder))) if each]


def build_own(
    folder: Path,
    *,
    resource: str = BASE,
    components: Iterable[str] = (),
    **more: Any,
) -> list[Manifest]:
    """Return the manifests of a user's own kustomization, written to an empty folder."""
    kustomization = {
        "resources": [os.path.relpath(K8S / resource, folder)],
        "components": [
            os.path.relpath(K8S / "components" / name, folder) for name in components
        ],
        **more,
    }
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(kustomization))
    return build(folder)


def find_one(manifests: Iterable[Manifest], kind: str, name: str) -> Manifest:
    """Return the only object of its kind and name; the name may have a hash behind it."""
    (found,) = [
        each
        for each in manifests
        if each["kind"] == kind
        and each["metadata"]["name"].removeprefix(name).count("-") < 2
        and each["metadata"]["name"].startswith(name)
    ]
    return found


def pod_specs(manifests: Iterable[Manifest]) -> Iterator[tuple[Manifest, Manifest]]:
    """Yield what makes pods, and the spec of its pods."""
    for each in manifests:
        if each["kind"] in {"Deployment", "StatefulSet", "Job"}:
            yield each, each["spec"]["template"]["spec"]


def containers(spec: Manifest) -> list[Manifest]:
    return [*spec.get("initContainers", []), *spec["containers"]]


def environment(container: Manifest) -> dict[str, str]:
    """Return the variables that have plain values."""
    return {
        each["name"]: each["value"] for each in container.get("env", []) if "value" in each
    }
