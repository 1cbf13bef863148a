import httpx
import pytest

from kafkaml.client import Client
from tests.support.waiting import eventually

from .installation import PARTS, SERVERS, Installation
from .kubectl import PLATFORM, find, kubectl
from .scenarios import PATIENCE

TOKENS = {"admin-token", "orchestrator-token", "control-logger-token"}


def identities() -> dict[str, str]:
    """Return the uid of each pod of the platform that is there to stay."""
    pods = find(PLATFORM, "pods", "app.kubernetes.io/component!=migration")
    return {pod["metadata"]["name"]: pod["metadata"]["uid"] for pod in pods}


def test_one_command_ends_with_a_platform_that_answers(
    platform: Installation, client: Client
) -> None:
    assert httpx.get(f"{platform.url}/readyz").status_code == 200
    assert list(client.models.list()) is not None
    for part in (*PARTS, *SERVERS):
        assert platform.pods(part), part
        for pod in platform.pods(part):
            (status,) = pod["status"]["containerStatuses"]
            assert status["ready"], pod["metadata"]["name"]
            assert status["restartCount"] == 0, "it waits for others, and does not die"


def test_secrets_are_made_in_the_cluster_and_are_all_different(
    platform: Installation,
) -> None:
    secret = platform.secret()
    assert secret.keys() >= TOKENS
    values = [secret[key] for key in (*TOKENS, "postgres-password")]
    assert len(set(values)) == len(values)
    assert min(map(len, values)) >= 40
    refused = httpx.get(f"{platform.url}/api/v1/models")
    assert refused.status_code == 401


def test_to_apply_it_again_changes_nothing(platform: Installation) -> None:
    pods, secret = identities(), platform.secret()
    said = platform.apply()
    changed = {line for line in said.splitlines() if not line.endswith(" unchanged")}
    assert changed <= {
        "job.batch/make-folders created",  # if it is gone by now
        "job.batch/migrate created",  # likewise
        "poddisruptionbudget.policy/api configured",  # kubectl always says so of them
    }
    assert identities() == pods
    assert platform.secret() == secret


def test_the_job_that_makes_folders_may_be_gone(platform: Installation) -> None:
    job = ("job/make-folders", "--namespace", "kafka-ml-folders")
    kubectl("delete", *job, "--ignore-not-found")
    pods = identities()
    platform.apply()
    kubectl("wait", *job, "--for=condition=Complete", "--timeout=60s")
    assert identities() == pods


@pytest.mark.parametrize("part", SERVERS)
def test_a_server_keeps_its_data_when_its_pod_is_replaced(
    platform: Installation, client: Client, part: str
) -> None:
    model = client.models.create(name=f"kept-by-{part}", source="model = None")
    kubectl("delete", "pod", f"{part}-0", "--namespace", PLATFORM)
    platform.wait_ready()

    def known() -> bool | None:
        answer = httpx.get(f"{platform.url}/readyz")
        return answer.status_code == 200 or None

    eventually(known, PATIENCE)
    assert client.models.get(model.id).name == f"kept-by-{part}"


def test_every_part_says_that_its_loop_turns(platform: Installation) -> None:
    for part in ("relay", "orchestrator", "control-logger"):
        (container,) = platform.pods(part)[0]["spec"]["containers"]
        probe = container["livenessProbe"]["exec"]["command"]
        said = kubectl("exec", "--namespace", PLATFORM, f"deployment/{part}", "--", *probe)
        assert not said
