"""New pods take the place of old ones, and nobody notices."""

import json
from collections.abc import Iterator
from contextlib import contextmanager

from kafkaml.client import Client
from kafkaml.schemas.states import TrainingState
from tests.e2e.scenarios import stream
from tests.support.waiting import eventually

from .installation import Installation
from .kubectl import WORKLOADS, create, get, kubectl
from .scenarios import PATIENCE, deploy_small, running_pod, wait_until

NAME = "load"
# In the cluster, for a port-forward would end with the pod that it leads to. Half of the
# callers keep their connections, as clients do; the others come anew each time. A server
# may close a kept one at any moment, also when a request is on its way: then a client sends
# a GET again on a new one (RFC 9112, section 9.3.1).
CALLER = """
import json, os, signal, threading, time
import httpx

stop = threading.Event()
signal.signal(signal.SIGTERM, lambda *_: stop.set())
counts, failures = [0] * 4, []
headers = {"Authorization": "Bearer " + os.environ["TOKEN"]}

def call(number):
    client = httpx.Client(base_url=os.environ["URL"], headers=headers, timeout=20)
    while not stop.is_set():
        if number % 2:
            client.close()
            client = httpx.Client(base_url=os.environ["URL"], headers=headers, timeout=20)
        try:
            try:
                answer = client.get("/api/v1/models")
            except httpx.RemoteProtocolError:
                if number % 2:
                    raise
                answer = client.get("/api/v1/models")
            answer.raise_for_status()
            counts[number] += 1
        except httpx.HTTPError as e:
            failures.append(repr(e))
        time.sleep(0.05)

threads = [threading.Thread(target=call, args=[n]) for n in range(len(counts))]
[thread.start() for thread in threads]
print("calling", flush=True)
[thread.join() for thread in threads]
print(json.dumps({"answered": sum(counts), "failures": failures}), flush=True)
"""


@contextmanager
def load(platform: Installation) -> Iterator[dict[str, object]]:
    """Call the API all the time; what came of it is there when the context has ended."""
    (api,) = platform.pods("api")[0]["spec"]["containers"]
    environment = {"URL": "http://api.kafka-ml.svc:8000", "TOKEN": platform.token}
    container = {
        "name": NAME,
        "image": api["image"],
        "command": ["python", "-c", CALLER],
        "env": [{"name": key, "value": value} for key, value in environment.items()],
        "securityContext": api["securityContext"],
        "resources": {"limits": {"cpu": "200m", "memory": "256Mi"}},
    }
    security = {
        "runAsNonRoot": True,
        "runAsUser": 10001,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    spec = {
        "restartPolicy": "Never",
        "securityContext": security,
        "containers": [container],
    }
    metadata = {"name": NAME, "namespace": WORKLOADS}
    create({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec})
    outcome: dict[str, object] = {}
    try:
        eventually(lambda: "calling" in log() or None, PATIENCE)
        yield outcome
        kubectl("exec", "--namespace", WORKLOADS, NAME, "--", "python", "-c", TERMINATE)
        ended = "--for=jsonpath={.status.phase}=Succeeded"
        kubectl("wait", "-n", WORKLOADS, ended, f"pod/{NAME}", "--timeout=60s")
        outcome |= json.loads(log().splitlines()[-1])
    finally:
        kubectl("delete", "pod", NAME, "--namespace", WORKLOADS, "--grace-period=1")


TERMINATE = "import os, signal; os.kill(1, signal.SIGTERM)"


def log() -> str:
    phase = get(WORKLOADS, "pod", NAME)["status"]["phase"]
    return "" if phase == "Pending" else kubectl("logs", "--namespace", WORKLOADS, NAME)


def test_a_restart_of_the_api_loses_no_request(platform: Installation) -> None:
    with load(platform) as outcome:
        before = {pod["metadata"]["name"] for pod in platform.pods("api")}
        platform.restart("api")
        after = {pod["metadata"]["name"] for pod in platform.pods("api")}
        assert after - before
    assert outcome["failures"] == []
    assert int(str(outcome["answered"])) > 100


def test_an_upgrade_keeps_what_trains_and_loses_no_request(
    platform: Installation, client: Client
) -> None:
    deployment = deploy_small(client)
    training = wait_until(client, deployment, TrainingState.WAITING)
    pod = running_pod("training", training.id)
    with load(platform) as outcome:
        platform.apply({"KAFKA_ML_LOG_LEVEL": "warning"})
        platform.apply({"KAFKA_ML_LOG_LEVEL": "info"})
    assert outcome["failures"] == []
    assert running_pod("training", training.id)["metadata"] == pod["metadata"]
    stream(platform.bootstrap_servers, deployment)
    finished = wait_until(client, deployment, TrainingState.FINISHED)
    assert finished.attempt == 1
