import pytest

from kafkaml.schemas.workloads import Phase
from orchestrator.pods.refusals import diagnose_refusal

_FORBIDDEN = 'pods "a-x" is forbidden: '


def quota(requested: str, used: str, limited: str) -> str:
    return (
        f"Error creating: {_FORBIDDEN}exceeded quota: compute, "
        f"requested: {requested}, used: {used}, limited: {limited}"
    )


def test_a_full_quota_is_waited_for() -> None:
    diagnosis = diagnose_refusal(quota("requests.memory=1Gi", "1536Mi", "2Gi"))
    assert diagnosis.phase is Phase.PENDING
    message = quota(
        "pods=1,requests.memory=1Gi",
        "pods=3,requests.memory=1536Mi",
        "pods=5,requests.memory=2Gi",
    )
    assert diagnose_refusal(message).message == (
        "It waits for room in the quota compute: of pods it asks for 1, 3 of 5 is in use; "
        "of requests.memory it asks for 1Gi, 1536Mi of 2Gi is in use."
    )


@pytest.mark.parametrize(
    ("requested", "limited"),
    [
        ("requests.cpu=1001m", "requests.cpu=1"),
        ("pods=1,requests.memory=1Gi", "pods=5,requests.memory=1G"),
        ("requests.nvidia.com/gpu=1", "requests.nvidia.com/gpu=0"),
    ],
)
def test_what_a_quota_never_allows_is_given_up(requested: str, limited: str) -> None:
    diagnosis = diagnose_refusal(quota(requested, "pods=0", limited))
    assert (diagnosis.phase, diagnosis.reason) == (Phase.BLOCKED, "quota")
    assert "the quota compute ever allows" in diagnosis.message


@pytest.mark.parametrize(
    "message",
    [
        _FORBIDDEN + "failed quota: compute: must specify limits.cpu for: trainer",
        _FORBIDDEN + "no PriorityClass with name batch was found",
        _FORBIDDEN + 'pod rejected: RuntimeClass "gvisor" not found',
        'admission webhook "policy.example.com" denied the request: images must be signed',
        'Pod "a-x" is invalid: spec.containers[0].image: Required value',
    ],
)
def test_a_rule_of_the_cluster_needs_somebody_to_act(message: str) -> None:
    diagnosis = diagnose_refusal(message)
    assert (diagnosis.phase, diagnosis.reason) == (Phase.BLOCKED, "platform")
    assert diagnosis.message == f"Kubernetes refuses its pod: {message}."


@pytest.mark.parametrize(
    "message",
    [
        'Internal error occurred: failed calling webhook "a.example.com": timeout',
        _FORBIDDEN + "unable to create new content in namespace a because it is being "
        "terminated",
        _FORBIDDEN + 'error looking up service account a/default: serviceaccount "default" '
        "not found",
        _FORBIDDEN + "status unknown for quota: compute, resources: pods",
        "etcdserver: request timed out",
    ],
)
def test_what_may_pass_is_waited_for(message: str) -> None:
    diagnosis = diagnose_refusal(message)
    assert (diagnosis.phase, diagnosis.reason) == (Phase.PENDING, None)
    assert diagnosis.message == f"Kubernetes refuses its pod: {message}."
