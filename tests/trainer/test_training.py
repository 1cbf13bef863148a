"""Whole trainings: a real broker, a real child, an API in memory."""

import json
import re
import secrets
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kafkaml.config import KafkaSettings
from kafkaml.control import TopicRange
from kafkaml.descriptions import read_description
from kafkaml.profiles import read_profile
from kafkaml.schemas.states import ExitCode, FailureReason
from tests.trainer.orders import CLASSIFIER, training_order
from tests.trainer.streams import (
    INPUT_CONFIG,
    Record,
    announce,
    make_topic,
    message_of,
    produce,
    separable,
)
from trainer.config import TrainerSettings
from trainer.run import run
from trainer.sandbox.standby import Standby
from trainer.testing import InMemoryAttempts

COUNT = 300


@dataclass(frozen=True)
class Stream:
    """An announced stream of separable records."""

    bootstrap: str
    control_topic: str

    def train(
        self, settings: TrainerSettings, standby: Standby | None, **order: Any
    ) -> tuple[int, InMemoryAttempts]:
        attempts = InMemoryAttempts(training_order(self.control_topic, **order))
        kafka = KafkaSettings(bootstrap_servers=self.bootstrap)
        code = run(attempts=attempts, settings=settings, kafka=kafka, standby=standby)
        return code, attempts


@pytest.fixture(scope="module")
def stream(kafka_bootstrap: str) -> Stream:
    """Two partitions, announced with a share for validation and one for the test."""
    records = separable(COUNT)
    data, control = (f"train-{kind}-{secrets.token_hex(4)}" for kind in ("data", "control"))
    make_topic(kafka_bootstrap, data, partitions=2)
    ranges = [
        produce(kafka_bootstrap, data, records[part::2], partition=part)
        for part in range(2)
    ]
    return announced(
        kafka_bootstrap,
        control,
        *ranges,
        total_msg=COUNT,
        validation_rate=0.2,
        test_rate=0.2,
    )


def announced(bootstrap: str, control: str, *ranges: TopicRange, **fields: Any) -> Stream:
    make_topic(bootstrap, control)
    announce(bootstrap, control, message_of(*ranges, **fields))
    return Stream(bootstrap, control)


@pytest.fixture(scope="module")
def trained(
    stream: Stream, standby: Standby, tmp_path_factory: pytest.TempPathFactory
) -> tuple[int, InMemoryAttempts, Path]:
    folder = tmp_path_factory.mktemp("trained")
    settings = TrainerSettings(work_directory=folder)
    code, attempts = stream.train(
        settings, standby, epochs=12, seed=7, split="stratified", exports=["litert"]
    )
    return code, attempts, folder


def test_a_training_ends_with_an_accepted_result(
    trained: tuple[int, InMemoryAttempts, Path],
) -> None:
    code, attempts, folder = trained
    assert code == ExitCode.ACCEPTED
    assert attempts.calls == [
        *("order", "progress:waiting", "progress:training"),
        *["epoch"] * 12,
        *("artifact", "export:litert", "result"),
    ]
    assert not list(folder.iterdir())


def test_the_result_says_what_was_measured_on_what(
    trained: tuple[int, InMemoryAttempts, Path],
) -> None:
    _, attempts, _ = trained
    report = attempts.accepted_result
    assert report is not None
    result = report.result
    assert (result.counts.training, result.counts.validation, result.counts.test) == (
        *(180, 60, 60),
    )
    for part in (result.training, result.validation, result.test):
        assert set(part) == {"loss", "accuracy"}
        assert (part["accuracy"] or 0) > 0.97
    assert attempts.epochs[-1].values["loss"] == result.training["loss"]
    assert attempts.epochs[-1].values["val_loss"] == result.validation["loss"]
    assert result.input_shape == [2]
    assert result.stream["total_msg"] == COUNT
    assert result.timings.total > result.timings.fit > 0
    assert result.timings.first_step >= result.timings.read > 0
    assert set(result.versions) == {"python", "tensorflow", "keras", "numpy"}
    assert result.label_counts == {"0": 60, "1": 60, "2": 60}
    assert result.no_report is None
    assert result.regression is None


def test_the_result_scores_every_class(
    trained: tuple[int, InMemoryAttempts, Path],
) -> None:
    report = trained[1].accepted_result
    assert report is not None
    scores = report.result.classification
    assert scores is not None
    assert (scores.part, scores.threshold) == ("test", None)
    assert [(each.label, each.support) for each in scores.classes] == [
        *(("0", 20), ("1", 20), ("2", 20)),
    ]
    assert scores.accuracy == pytest.approx(report.result.test["accuracy"])
    assert (scores.macro_average.f1 or 0) > 0.95


def test_how_far_the_fit_is_was_told(
    trained: tuple[int, InMemoryAttempts, Path],
) -> None:
    first = trained[1].steps[0]
    assert (first.epoch, first.steps, first.fold) == (1, 6, None)
    assert first.step in {4, 6}


def test_the_artifact_holds_the_profile_of_the_training_records(
    trained: tuple[int, InMemoryAttempts, Path], tmp_path: Path
) -> None:
    path = tmp_path / "uploaded.keras"
    path.write_bytes(trained[1].model or b"")
    profile = read_profile(path)
    assert profile is not None
    assert (profile.records, profile.profiled, profile.shape) == (180, 180, [2])
    assert profile.classes == {"0": 60, "1": 60, "2": 60}
    assert len(profile.features) == 2


def test_the_artifact_says_what_it_takes_and_came_from(
    trained: tuple[int, InMemoryAttempts, Path], tmp_path: Path
) -> None:
    path = tmp_path / "uploaded.keras"
    path.write_bytes(trained[1].model or b"")
    found = read_description(path)
    report = trained[1].accepted_result
    assert found is not None
    assert report is not None
    assert found.input is not None
    assert (found.input.dtype, found.input.shape) == ("float32", [2])
    assert found.output is not None
    assert found.output.shape == [3]
    assert found.parameters.seed == 7
    assert (found.stream, found.versions) == (report.result.stream, report.result.versions)


def test_the_exports_that_were_asked_for_are_uploaded_and_told(
    trained: tuple[int, InMemoryAttempts, Path],
) -> None:
    report = trained[1].accepted_result
    assert report is not None
    (export,) = report.result.exports
    assert (export.format, export.error) == ("litert", None)
    assert export.size_bytes == len(trained[1].exports[export.format])


def test_the_confusion_matrix_counts_the_test_records(
    trained: tuple[int, InMemoryAttempts, Path],
) -> None:
    report = trained[1].accepted_result
    assert report is not None
    assert report.confusion_matrix is not None
    assert report.confusion_matrix.part == "test"
    assert report.confusion_matrix.labels == ["0", "1", "2"]
    assert np.trace(report.confusion_matrix.matrix) >= 58
    assert np.sum(report.confusion_matrix.matrix, axis=1).tolist() == [20, 20, 20]


def test_the_same_seed_gives_the_same_model_bit_by_bit_warm_or_cold(
    trained: tuple[int, InMemoryAttempts, Path], stream: Stream, tmp_path: Path
) -> None:
    _, first, _ = trained
    code, again = stream.train(
        TrainerSettings(work_directory=tmp_path),
        None,
        epochs=12,
        seed=7,
        split="stratified",
    )
    assert code == ExitCode.ACCEPTED
    assert again.epochs == first.epochs
    for ours, theirs in zip(
        weights_of(first, tmp_path), weights_of(again, tmp_path), strict=True
    ):
        assert np.array_equal(ours, theirs)


def weights_of(attempts: InMemoryAttempts, folder: Path) -> list[Any]:
    import keras

    assert attempts.model is not None
    path = folder / "uploaded.keras"
    path.write_bytes(attempts.model)
    return list(keras.saving.load_model(path, safe_mode=True).get_weights())


def test_a_training_that_diverges_fails_with_the_epoch(
    stream: Stream, settings: TrainerSettings, standby: Standby
) -> None:
    source = CLASSIFIER.replace("Adam(0.05)", "SGD(1e30)")
    code, attempts = stream.train(settings, standby, source=source, epochs=3)
    assert code == ExitCode.MODEL_CODE
    assert attempts.accepted_failure is not None
    assert attempts.accepted_failure.reason is FailureReason.DIVERGED
    assert "after epoch 1, batch " in attempts.accepted_failure.message
    assert attempts.epochs[0].values["loss"] is None
    assert attempts.model is None


def test_a_training_that_diverges_late_keeps_its_last_good_model(
    stream: Stream, settings: TrainerSettings, standby: Standby, tmp_path: Path
) -> None:
    rate = "keras.optimizers.schedules.PiecewiseConstantDecay([12], [0.05, 1e30])"
    source = CLASSIFIER.replace("0.05", rate)  # an epoch has 6 steps
    code, attempts = stream.train(settings, standby, source=source, epochs=4)
    assert code == ExitCode.MODEL_CODE
    failure = attempts.accepted_failure
    assert failure is not None
    assert failure.reason is FailureReason.DIVERGED
    assert "after epoch 3, batch " in failure.message
    # Of epochs as short as these not every one is copied.
    assert re.search("The model as it was after epoch [12].* is kept", failure.message)
    assert attempts.calls[-2:] == ["artifact", "failure"]
    weights = weights_of(attempts, tmp_path)
    assert max(np.abs(each).max() for each in weights) < 100


ALL_OPTIONS = {
    "class_weight": "balanced",
    "mixed_precision": "mixed_float16",
    "early_stopping": {"monitor": "val_accuracy", "patience": 2, "min_delta": 1},
    "learning_rate": {"schedule": "CosineDecay", "initial_learning_rate": 0.05},
    "global_clipnorm": 1.0,
}


def test_every_option_of_a_fit_works_with_the_others(
    stream: Stream, settings: TrainerSettings, standby: Standby, tmp_path: Path
) -> None:
    source = CLASSIFIER.replace('"softmax"', '"softmax", dtype="float32"')
    code, attempts = stream.train(
        settings, standby, source=source, epochs=8, folds=2, report=False, fit=ALL_OPTIONS
    )
    assert code == ExitCode.ACCEPTED, attempts.accepted_failure
    assert attempts.accepted_result is not None
    result = attempts.accepted_result.result
    assert result.fit is not None
    assert (result.fit.epochs, result.fit.stopped_early) == (3, True)
    assert result.fit.class_weight is not None
    assert set(result.fit.class_weight) == {"0", "1", "2"}
    assert result.cross_validation is not None
    assert len(result.cross_validation.metrics["accuracy"].values) == 2
    assert result.classification is None
    assert attempts.accepted_result.confusion_matrix is not None
    assert len(weights_of(attempts, tmp_path)) == 4


def test_a_regression_is_told_by_its_errors(
    kafka_bootstrap: str,
    topic_name: Callable[[str], str],
    settings: TrainerSettings,
    standby: Standby,
) -> None:
    numbers = np.random.default_rng(0).normal(size=(90, 2)).astype(np.float32)
    records: list[Record] = [
        (np.float32(row.sum()).tobytes(), row.tobytes()) for row in numbers
    ]
    topic = topic_name("data")
    make_topic(kafka_bootstrap, topic)
    stream = announced(
        kafka_bootstrap,
        topic_name("control"),
        produce(kafka_bootstrap, topic, records),
        input_config=INPUT_CONFIG | {"label_type": "float32"},
        test_rate=0.5,
    )
    source = CLASSIFIER.replace('Dense(3, activation="softmax")', "Dense(1)")
    source = source.replace('"sparse_categorical_crossentropy"', '"mse"')
    source = source.replace('["accuracy"]', '["mae"]')
    code, attempts = stream.train(settings, standby, source=source, epochs=3)
    assert code == ExitCode.ACCEPTED, attempts.accepted_failure
    assert attempts.accepted_result is not None
    result = attempts.accepted_result.result
    assert result.regression is not None
    assert result.regression.part == "test"
    assert result.regression.mae == pytest.approx(result.test["mae"], rel=1e-4)
    assert len(result.regression.outputs) == 1
    assert (result.classification, result.no_report) == (None, None)
    assert result.label_counts is None
    assert attempts.accepted_result.confusion_matrix is None


def test_a_monitor_of_validation_needs_validation_records(
    kafka_bootstrap: str,
    topic_name: Callable[[str], str],
    settings: TrainerSettings,
    standby: Standby,
) -> None:
    topic = topic_name("data")
    make_topic(kafka_bootstrap, topic)
    stream = announced(
        kafka_bootstrap,
        topic_name("control"),
        produce(kafka_bootstrap, topic, separable(30)),
    )
    code, attempts = stream.train(settings, standby, fit={"restore_best": {}})
    assert code == ExitCode.DATA
    assert attempts.accepted_failure is not None
    assert attempts.accepted_failure.reason is FailureReason.BAD_STREAM
    assert "fit.restore_best monitors 'val_loss'" in attempts.accepted_failure.message
    assert not attempts.epochs


def test_an_output_of_16_bits_is_refused_before_the_stream_is_awaited(
    stream: Stream, settings: TrainerSettings, standby: Standby
) -> None:
    code, attempts = stream.train(
        settings, standby, fit={"mixed_precision": "mixed_bfloat16"}
    )
    assert code == ExitCode.MODEL_CODE
    assert attempts.accepted_failure is not None
    assert "dtype='float32'" in attempts.accepted_failure.message
    assert attempts.calls == ["order", "failure"]


def test_a_training_that_takes_too_long_is_ended(
    stream: Stream, settings: TrainerSettings, standby: Standby
) -> None:
    code, attempts = stream.train(settings, standby, epochs=100_000, deadline_seconds=2)
    assert code == ExitCode.MODEL_CODE
    assert attempts.accepted_failure is not None
    assert attempts.accepted_failure.reason is FailureReason.DEADLINE
    assert "longer than 2 s" in attempts.accepted_failure.message
    assert not list(settings.work_directory.iterdir())


def test_bad_records_are_skipped_and_told_and_the_others_may_stay_in_their_file(
    kafka_bootstrap: str,
    topic_name: Callable[[str], str],
    settings: TrainerSettings,
    standby: Standby,
) -> None:
    topic = topic_name("data")
    make_topic(kafka_bootstrap, topic)
    records = [*separable(60), (b"\0", b"short"), (None, b"\0" * 8)]
    stream = announced(
        kafka_bootstrap,
        topic_name("control"),
        produce(kafka_bootstrap, topic, records),
        total_msg=len(records),
        test_rate=0.2,
    )
    code, attempts = stream.train(
        settings.model_copy(update={"data_memory": "0"}),
        standby,
        epochs=2,
        batch_size=64,
        bad_records={"action": "skip", "max_rate": 0.05},
    )
    assert code == ExitCode.ACCEPTED, attempts.accepted_failure
    assert attempts.accepted_result is not None
    result = attempts.accepted_result.result
    assert result.skipped is not None
    assert result.skipped.count == 2
    assert [each.coordinates for each in result.skipped.first] == [
        *(f"{topic}:0:60", f"{topic}:0:61"),
    ]
    assert (result.counts.training, result.counts.test) == (48, 12)
    assert ["batch_size is 64" in each for each in result.warnings] == [True]


def test_rates_that_leave_nothing_to_train_on_are_refused(
    kafka_bootstrap: str,
    topic_name: Callable[[str], str],
    settings: TrainerSettings,
    standby: Standby,
) -> None:
    topic = topic_name("data")
    make_topic(kafka_bootstrap, topic)
    stream = announced(
        kafka_bootstrap,
        topic_name("control"),
        produce(kafka_bootstrap, topic, separable(2)),
        validation_rate=0.1,
        test_rate=0.1,
    )
    code, attempts = stream.train(settings, standby)
    assert code == ExitCode.DATA
    assert attempts.accepted_failure is not None
    assert "leave none to train on" in attempts.accepted_failure.message


def test_a_stream_that_does_not_suit_the_model_is_told_with_its_record(
    kafka_bootstrap: str,
    topic_name: Callable[[str], str],
    settings: TrainerSettings,
    standby: Standby,
) -> None:
    topic = topic_name("data")
    make_topic(kafka_bootstrap, topic)
    records = [*separable(50), (b"\x09", b"\0" * 8)]
    stream = announced(
        kafka_bootstrap, topic_name("control"), produce(kafka_bootstrap, topic, records)
    )
    code, attempts = stream.train(settings, standby)
    assert code == ExitCode.DATA
    assert attempts.accepted_failure is not None
    assert attempts.accepted_failure.reason is FailureReason.BAD_STREAM
    assert f"record {topic}:0:50: its label is 9" in attempts.accepted_failure.message


def test_the_trainer_itself_never_imports_tensorflow() -> None:
    import subprocess

    source = "import sys, trainer.main; sys.exit('tensorflow' in sys.modules)"
    subprocess.run([sys.executable, "-c", source], check=True, timeout=60)


def test_what_a_codec_needs_is_left_to_another_attempt_if_it_is_away(
    kafka_bootstrap: str,
    topic_name: Callable[[str], str],
    settings: TrainerSettings,
    standby: Standby,
) -> None:
    topic = topic_name("data")
    make_topic(kafka_bootstrap, topic)
    framed = b"\0\0\0\0\1"  # the schema 1 of a registry that the settings do not name
    stream = announced(
        kafka_bootstrap,
        topic_name("control"),
        produce(kafka_bootstrap, topic, [(framed + b"\0", framed + bytes(8))]),
        input_format="AVRO",
        input_config={
            "data_scheme": json.dumps(
                {
                    "type": "record",
                    "name": "Point",
                    "fields": [{"name": each, "type": "float"} for each in "xy"],
                }
            ),
            "label_scheme": '"int"',
            "wire_format": "confluent",
        },
    )
    code, attempts = stream.train(settings, standby)
    assert code == ExitCode.RETRYABLE
    assert attempts.calls[0] == "order"
    assert not {"artifact", "failure", "result"} & set(attempts.calls)
