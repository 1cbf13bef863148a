"""What callers of the API put into its requests."""

import pytest
from pydantic import ValidationError

from kafkaml.schemas.attempts import FailureReport
from kafkaml.schemas.states import FailureReason
from kafkaml.schemas.workloads import Observation, Phase


def test_a_message_from_elsewhere_can_always_be_sent() -> None:
    seen = Observation(phase=Phase.EXITED, message="core\x00dumped")
    report = FailureReport(reason=FailureReason.MODEL_CODE, message="core\x00dumped")
    assert seen.message == report.message == "core\N{REPLACEMENT CHARACTER}dumped"


def test_a_message_has_a_limit() -> None:
    with pytest.raises(ValidationError, match="10000"):
        Observation(phase=Phase.PENDING, message="x" * 10_001)
