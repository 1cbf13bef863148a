"""Why the API server makes no pod: quotas, policies, limits, webhooks."""

import re
from collections.abc import Mapping

from kafkaml.schemas.states import FailureReason
from orchestrator.pods.diagnosis import Diagnosis, blocked, pending, sentence
from orchestrator.pods.quantities import parse_quantities

_QUOTA = re.compile(
    r"exceeded quota: (?P<name>[^,]+), requested: (?P<requested>\S+), "
    r"used: (?P<used>\S+), limited: (?P<limited>\S+)"
)
_PREFIX = re.compile(r"^(\(combined from similar events\): )?(Error creating: )?")
_PASSING = re.compile(
    r"failed calling webhook|is being terminated|error looking up service account"
    r"|serviceaccount .* not found|please retry|status unknown for quota"
)
_FINAL = re.compile(r"is forbidden|denied the request|is invalid|admission webhook")


def diagnose_refusal(message: str) -> Diagnosis:
    """Tell whether what the API server refuses may pass later."""
    quota = _QUOTA.search(message)
    if quota is not None:
        return _by_quota(quota)
    text = f"Kubernetes refuses its pod: {sentence(_PREFIX.sub('', message))}"
    if _FINAL.search(message) and not _PASSING.search(message):
        return blocked(FailureReason.PLATFORM, text)
    return pending(text)


def _by_quota(quota: re.Match[str]) -> Diagnosis:
    requested, used, limited = (
        _amounts(quota[part]) for part in ("requested", "used", "limited")
    )
    limits = "; ".join(
        f"of {name} it asks for {amount}, {used.get(name, 0)} of "
        f"{limited.get(name, 0)} is in use"
        for name, amount in requested.items()
    )
    if _exceeds(requested, limited):
        text = f"It asks for more than the quota {quota['name']} ever allows: {limits}."
        advice = "Lower its resources, or have the quota raised."
        return blocked(FailureReason.QUOTA, f"{text} {advice}")
    return pending(f"It waits for room in the quota {quota['name']}: {limits}.")


def _exceeds(requested: Mapping[str, str], limited: Mapping[str, str]) -> bool:
    limits = parse_quantities(limited)
    amounts = parse_quantities(requested)
    return any(amount > limits.get(name, amount) for name, amount in amounts.items())


def _amounts(text: str) -> dict[str, str]:
    pairs = (each.partition("=") for each in text.split(","))
    return {name: amount for name, _, amount in pairs}
