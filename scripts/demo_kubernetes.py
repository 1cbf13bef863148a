#!/usr/bin/env python3
"""Installs Kafka-ML in a cluster and shows it: `make demo-kubernetes`.

Takes the cluster that kubectl is set to (KUBECTL names another kubectl), with the images in
it, and leaves the platform running there.
"""

import os
import re
import subprocess
import sys
from base64 import b64decode
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parent.parent
OVERLAY = ROOT / "k8s" / "overlays" / "local"
DEMO = ROOT / "examples" / "digits" / "demo.py"
KUBECTL = os.environ.get("KUBECTL", "kubectl")
NAMESPACE = "kafka-ml"
# The address that Kafka tells to those who come through a port-forward.
KAFKA_PORT = 29092
READY_TIMEOUT = "600s"
FORWARDED = re.compile(r"Forwarding from 127\.0\.0\.1:(\d+)")

FAREWELL = f"""
The platform goes on in the namespace {NAMESPACE}. To use it from this machine:

  {KUBECTL} -n {NAMESPACE} port-forward svc/api 8000 &
  {KUBECTL} -n {NAMESPACE} port-forward svc/kafka {KAFKA_PORT} &
  export KAFKA_ML_URL=http://127.0.0.1:8000     # and /docs there in a browser
  export KAFKA_ML_BOOTSTRAP_SERVERS=127.0.0.1:{KAFKA_PORT}
  export KAFKA_ML_TOKEN=$({KUBECTL} -n {NAMESPACE} get secret kafka-ml \\
      -o 'go-template={{{{index .data "admin-token" | base64decode}}}}')

To look at its work:  {KUBECTL} -n kafka-ml-workloads get jobs,deployments,pods
To remove it:         {KUBECTL} delete -k k8s/overlays/local --ignore-not-found
docs/kubernetes.md tells the rest.
"""


class DemoError(Exception):
    """What a person must see to before the demo can go on."""


def kubectl(*arguments: str) -> None:
    """Run kubectl and show what it says; raise `DemoError` if it fails."""
    if subprocess.run([KUBECTL, *arguments], check=False).returncode:  # noqa: S603 - the user's
        raise DemoError(f"failed: {KUBECTL} {' '.join(arguments)}")


def install() -> None:
    """Install the platform, or bring it up to date, and wait until it is ready."""
    kubectl("apply", "-k", str(OVERLAY))
    ready = ["--timeout", READY_TIMEOUT, "--namespace", NAMESPACE]
    try:
        for kind in ("statefulset/postgres", "statefulset/kafka"):
            kubectl("rollout", "status", kind, *ready)
        for part in ("relay", "api", "orchestrator", "control-logger"):
            kubectl("rollout", "status", f"deployment/{part}", *ready)
    except DemoError:
        kubectl("get", "pods", "--namespace", NAMESPACE)
        raise


def admin_token() -> str:
    """Return the token that was made in the cluster."""
    path = "jsonpath={.data.admin-token}"
    command = [KUBECTL, "-n", NAMESPACE, "get", "secret", "kafka-ml", "-o", path]
    return b64decode(subprocess.check_output(command)).decode()  # noqa: S603 - the user's


@contextmanager
def forward(service: str, ports: str) -> Iterator[int]:
    """Reach a Service of the cluster meanwhile; yield the port on this machine."""
    command = [KUBECTL, "-n", NAMESPACE, "port-forward", "--address", "127.0.0.1"]
    with subprocess.Popen(  # noqa: S603 - the user's
        [*command, f"service/{service}", ports], stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            # It says where it listens, or ends: then the line is empty.
            line = process.stdout.readline() if process.stdout else ""
            if not (found := FORWARDED.match(line)):
                raise DemoError(f"cannot forward {ports} to {service}: is the port taken?")
            yield int(found[1])
        finally:
            process.terminate()


def main() -> int:
    """Install, show, and say what to do next; return the exit code."""
    try:
        install()
        with forward("api", ":8000") as api, forward("kafka", str(KAFKA_PORT)):
            environment = os.environ | {
                "KAFKA_ML_URL": f"http://127.0.0.1:{api}",
                "KAFKA_ML_TOKEN": admin_token(),
                "KAFKA_ML_BOOTSTRAP_SERVERS": f"127.0.0.1:{KAFKA_PORT}",
            }
            demo = [sys.executable, str(DEMO)]
            code = subprocess.run(demo, env=environment, check=False).returncode  # noqa: S603
    except (DemoError, FileNotFoundError) as e:
        sys.stderr.write(f"{e}\n")
        return 1
    sys.stdout.write(FAREWELL)
    return code


if __name__ == "__main__":
    sys.exit(main())
