"""Why the API server makes no pod: quotas, policies, limits, webhooks."""

import re
from decimal import Decimal

from kafkaml.schemas.states import FailureReason
from orchestrator.pods.diagnosis import Diagnosis, blocked, pending, sentence
from orchestrator.pods.quantities import parse_quantities

_QUOTA = re.compile(
    r"exceeded quota: (?P<name>[^,]+), requested: (?P<requested>\S+), "
    r"used: (?P<used>\S+), limited: (?P<limited>\S+)"
)
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
    text = f"Kubernetes refuses its pod: {sentence(message)}"
    if _FINAL.search(message) and not _PASSING.search(message):
        return blocked(FailureReason.PLATFORM, text)
    return pending(text)


def _by_quota(quota: re.Match[str]) -> Diagnosis:
    requested, limited = _amounts(quota["requested"]), _amounts(quota["limited"])
    beyond = [name for name in requested if requested[name] > limited.get(name, Decimal(0))]
    what = (
        f"it asks for {_readable(quota['requested'])}, "
        f"{_readable(quota['used'])} is in use, "
        f"the limit is {_readable(quota['limited'])}."
    )
    if beyond:
        return blocked(
            FailureReason.QUOTA,
            f"It alone needs more than the quota {quota['name']} allows: {what} Lower the "
            f"resources, or have the quota raised.",
        )
    return pending(f"It waits for room in the quota {quota['name']}: {what}")


def _amounts(text: str) -> dict[str, Decimal]:
    return parse_quantities(dict(each.split("=", 1) for each in _pairs(text)))


def _readable(text: str) -> str:
    return ", ".join(each.replace("=", " ") for each in _pairs(text))


def _pairs(text: str) -> list[str]:
    return [each for each in text.split(",") if "=" in each]
