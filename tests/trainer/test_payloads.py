"""Models that do harm: each ends in a named reason in time, and harms no other."""

from pathlib import Path

import pytest

from tests.trainer.orders import CLASSIFIER
from tests.trainer.payloads import (
    MARGIN_SECONDS,
    PAYLOADS,
    Payload,
    end_of,
)
from tests.trainer.warm import Place


@pytest.mark.parametrize("payload", PAYLOADS, ids=str)
def test_a_payload_ends_in_its_reason_and_leaves_nothing(
    payload: Payload, place: Place, tmp_path: Path
) -> None:
    standby, process = place
    end = end_of(payload.source, tmp_path / "work", standby, limits=payload.limits)
    assert end.reason == payload.reason, end.message
    assert payload.text in end.message
    assert end.seconds < payload.limits.longest + MARGIN_SECONDS
    assert not standby.is_taken
    assert not process.children(recursive=True)


def test_the_next_training_is_not_affected(place: Place, tmp_path: Path) -> None:
    """It is the last one in the file: it comes after all of them, in the same place."""
    standby, process = place
    end = end_of(CLASSIFIER, tmp_path / "work", standby)
    assert end.reason is None, end.message
    assert not process.children(recursive=True)
