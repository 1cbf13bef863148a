"""Trainings of streams without an end: a real broker, a real child, an API in memory."""

from pathlib import Path

import pytest

from kafkaml.schemas.states import ExitCode, FailureReason
from tests.trainer.unbounded import EndlessStream, accuracy, classes
from trainer.config import TrainerSettings


def test_it_ends_when_the_stream_is_quiet_and_keeps_what_it_learnt(
    kafka_bootstrap: str, settings: TrainerSettings, tmp_path: Path
) -> None:
    stream = EndlessStream.announced(kafka_bootstrap, partitions=2, validation_rate=0.2)
    records = classes(700)
    stream.write(records[:400], 0)
    stream.write(records[400:], 1)

    code, attempts = stream.trained(settings)

    assert code == ExitCode.ACCEPTED, attempts.accepted_failure
    assert attempts.accepted_result is not None
    assert attempts.model is not None
    result = attempts.accepted_result.result
    summary = result.incremental
    assert summary is not None
    assert (summary.ended_by, summary.records, summary.updates) == ("quiet", 700, 22)
    assert summary.ranges == f"{stream.topic}:0:0:400,{stream.topic}:1:0:300"
    assert result.counts.training + result.counts.validation == 700
    assert (result.validation["accuracy"] or 0) > 0.9
    assert [each.epoch for each in attempts.epochs] == [1, 2, 3, 4, 5, 6]
    assert attempts.improvements
    assert attempts.improvements[0].values["val_loss"]
    assert attempts.improvements[0].input_shape == [2]
    assert result.classification is not None
    assert result.classification.part == "validation"
    assert accuracy(attempts.model, records, tmp_path) > 0.9
