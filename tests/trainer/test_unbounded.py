"""Trainings of streams without an end: a real broker, a real child, an API in memory."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import pytest

from kafkaml.control import ControlMessage, ranges_from_text
from kafkaml.schemas.deployments import TrainingParameters
from kafkaml.schemas.states import ExitCode, FailureReason
from kafkaml.schemas.trainings import Artifact
from tests.trainer.unbounded import Background, EndlessStream, accuracy, classes
from trainer.config import TrainerSettings
from trainer.exceptions import StreamError
from trainer.incremental.eligibility import is_incremental
from trainer.sandbox.standby import Standby
from trainer.testing import InMemoryAttempts


def wait_until(is_so: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_it_ends_when_the_stream_is_quiet_and_keeps_what_it_learnt(
    kafka_bootstrap: str, settings: TrainerSettings, standby: Standby, tmp_path: Path
) -> None:
    stream = EndlessStream.announced(
        kafka_bootstrap, standby, partitions=2, validation_rate=0.2
    )
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


class LostAttempts(InMemoryAttempts):
    """An API that counts no more on the attempt once it has its checkpoint."""

    def upload_checkpoint(self, file: BinaryIO) -> Artifact:
        kept = super().upload_checkpoint(file)
        self._is_over = True
        return kept


def test_another_attempt_reads_on_where_the_lost_one_was(
    kafka_bootstrap: str, settings: TrainerSettings, standby: Standby
) -> None:
    stream = EndlessStream.announced(kafka_bootstrap, standby, partitions=2)
    stream.write(classes(333), 0)
    options = {"max_records": 1000, "quiet_seconds": 60}
    lost = LostAttempts(stream.order(options=options, checkpoint_seconds=1))
    first = Background(stream, settings, lost)
    for part in range(20):  # so that there is something between checkpoint and loss
        if first.code is not None:
            break
        stream.write(classes(16 + part), part % 2)
        time.sleep(0.2)
    assert first.wait() == ExitCode.DRAINED
    stream.write(classes(1000), 1)

    order = stream.order(options=options)
    assert order.training is not None
    known = Artifact(size_bytes=1, sha256="0" * 64)
    training = order.training.model_copy(update={"checkpoint": known})
    parameters = training.parameters.model_copy(update={"checkpoint_seconds": 1})
    training = training.model_copy(update={"parameters": parameters})
    successor = InMemoryAttempts(
        order.model_copy(update={"attempt": 2, "training": training})
    )
    successor.checkpoints = lost.checkpoints[:1]
    assert stream.train(settings, successor) == ExitCode.ACCEPTED

    assert successor.accepted_result is not None
    summary = successor.accepted_result.result.incremental
    assert summary is not None
    assert (summary.ended_by, summary.records) == ("count", 1000)
    ranges = ranges_from_text(summary.ranges)
    assert [each.start for each in ranges] == [0, 0]
    assert sum(len(each) for each in ranges) == 1000  # each record once
    assert successor.epochs[0].epoch == 1  # those of the attempt before are told again


def test_a_user_can_let_it_finish_and_serve_what_it_published(
    kafka_bootstrap: str, settings: TrainerSettings, standby: Standby
) -> None:
    stream = EndlessStream.announced(kafka_bootstrap, standby)
    attempts = InMemoryAttempts(
        stream.order(options={"quiet_seconds": None, "update_records": 16})
    )
    running = Background(stream, settings, attempts)
    stream.write(classes(100))
    wait_until(lambda: len(attempts.improvements) > 0)
    so_far = attempts.accepted_result
    assert so_far is None
    attempts.finish()
    assert running.wait() == ExitCode.ACCEPTED
    assert attempts.accepted_result is not None
    summary = attempts.accepted_result.result.incremental
    assert summary is not None
    assert (summary.ended_by, summary.records) == ("finish", 100)  # the last 4, too


def test_a_stream_that_never_comes_is_told(
    kafka_bootstrap: str, settings: TrainerSettings, standby: Standby
) -> None:
    stream = EndlessStream.announced(kafka_bootstrap, standby)
    code, attempts = stream.trained(settings, options={"quiet_seconds": 0.5})
    assert code == ExitCode.DATA
    assert attempts.accepted_failure is not None
    assert attempts.accepted_failure.reason is FailureReason.DATA_SHORT


@pytest.mark.parametrize(
    ("parameters", "fields", "message"),
    [
        ({"incremental": {}}, {"topic": "a:0:0:9"}, "ranges of records were announced"),
        ({}, {"topic": "a"}, "announce it with `incremental` true"),
        ({"folds": 3}, {"topic": "a", "incremental": True}, "without folds"),
    ],
)
def test_what_does_not_suit_is_refused(
    parameters: dict[str, Any], fields: dict[str, Any], message: str
) -> None:
    wanted = TrainingParameters.model_validate(parameters)
    announced = ControlMessage.model_validate(
        {"deployment_id": 1, "input_format": "RAW", **fields}
    )
    with pytest.raises(StreamError, match=message):
        is_incremental(wanted, announced)


def test_the_original_producers_need_no_options() -> None:
    announced = ControlMessage.from_record(
        b"\x01",
        b'{"topic": "sensors", "input_format": "RAW", "input_config": {}, '
        b'"total_msg": null, "validation_rate": 0, "incremental": true}',
    )
    assert is_incremental(TrainingParameters(), announced)
    assert not is_incremental(
        TrainingParameters(), announced.model_copy(update={"topic": "sensors:0:0:1"})
    )
