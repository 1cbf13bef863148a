"""Trained models in other formats, and what happens if one cannot be made."""

import signal
from collections.abc import Callable
from pathlib import Path
from typing import Final, Self, cast

import numpy as np
import pytest

from kafkaml.exceptions import ProblemError
from kafkaml.schemas.deployments import ExportFormat
from kafkaml.schemas.problems import PROBLEM_TYPE_PREFIX, Problem
from kafkaml.schemas.trainings import Artifact, ArtifactFormat, ExportResult
from tests.trainer.orders import training_order
from trainer.config import TrainerSettings
from trainer.data.dataset import Dataset
from trainer.data.split import Split
from trainer.deadline import Deadline
from trainer.exceptions import ExportError
from trainer.exports.exporter import ExportedFile, Exporter
from trainer.exports.litert_sizes import MAX_WEIGHT_BYTES, batch_sizes_of
from trainer.exports.sample import TOLERANCE, Answers, sample_of
from trainer.messages import Export, Exported, Message, Ready, export_file
from trainer.results.delivery import upload_export
from trainer.results.reporter import Reporter
from trainer.sandbox.sandbox import Sandbox, lost_error
from trainer.testing import InMemoryAttempts

LITERT: Final = ArtifactFormat.LITERT
SAVED_MODEL: Final = ArtifactFormat.SAVED_MODEL
ONNX: Final = ArtifactFormat.ONNX
NONE = np.empty(0, np.int64)


@pytest.mark.parametrize(
    ("weight_bytes", "record_bytes", "sizes"),
    [
        (10_000, 256, [1, 8, 32, 256]),
        (MAX_WEIGHT_BYTES // 3, 256, [1, 32, 256]),
        (MAX_WEIGHT_BYTES // 2, 256, [1, 32]),
        (MAX_WEIGHT_BYTES * 4, 256, [1]),
        (10_000, 2**20, [1, 8, 32]),
        (10_000, 2**30, [1]),
    ],
)
def test_a_large_model_or_record_has_fewer_batch_sizes(
    weight_bytes: int, record_bytes: int, sizes: list[int]
) -> None:
    found = batch_sizes_of(weight_bytes=weight_bytes, record_bytes=record_bytes)
    assert found == sizes


def test_answers_may_differ_by_a_share_of_the_largest() -> None:
    answers = Answers(np.array([[200.0, -1.0], [np.nan, np.inf]], np.float32))
    assert answers.largest == 200
    near = answers.rows + np.array([[0.015, 0.0], [0.0, 0.0]], np.float32)
    assert answers.difference(near) == pytest.approx(0.015, rel=1e-3)
    with pytest.raises(ExportError, match=r"differ from Keras' by 0\.03, more than the"):
        answers.difference(answers.rows + np.float32(0.03))
    small = Answers(np.array([[0.1]], np.float32))
    assert small.difference(small.rows + np.float32(TOLERANCE / 2)) < TOLERANCE
    with pytest.raises(ExportError, match="differ"):
        small.difference(small.rows + np.float32(TOLERANCE * 2))


@pytest.mark.parametrize(
    ("found", "message"),
    [
        ([[0.1, 0.2]], r"shape \(1, 2\)"),
        ([[0.1], [0.2]], "where Keras' answers are none"),
        ([[np.nan], [np.nan]], "differ from Keras' by nan"),
    ],
)
def test_answers_of_another_kind_are_no_export(
    found: list[list[float]], message: str
) -> None:
    answers = Answers(np.array([[0.1], [np.nan]], np.float32))
    with pytest.raises(ExportError, match=message):
        answers.difference(np.array(found, np.float32))


def test_the_sample_is_spread_over_the_training_records(tmp_path: Path) -> None:
    features = np.arange(2000, dtype=np.uint16).reshape(1000, 2)
    parts = Split(np.arange(100, 1000), np.arange(100), NONE)
    Dataset(features, np.zeros(1000), parts).save(tmp_path)
    sample = sample_of(tmp_path, dtype="float32")
    assert (sample.shape, sample.dtype.name) == ((256, 2), "float32")
    assert (sample[0, 0], sample[-1, 0]) == (200, 1998)


class ScriptedSandbox:
    """A process that sends what a test says, and then dies or is silent."""

    def __init__(self, *script: Message | Exception | None) -> None:
        self._script = list(script)
        self.order: Export | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """There is no process to end."""

    def send(self, command: Export) -> None:
        self.order = command

    def receive(self, deadline: Deadline) -> Message | None:
        del deadline
        step = self._script.pop(0)
        if isinstance(step, Exception):
            raise step
        return step


ABORTED = lost_error(-signal.SIGABRT, is_ready=True)
KILLED = lost_error(-signal.SIGKILL, is_ready=True)
NO_START = lost_error(1, is_ready=False)


def done(wanted: ExportFormat, error: str | None = None) -> Exported:
    return Exported(format=wanted, seconds=1.0, error=error)


Export3 = Callable[..., list[ExportedFile]]


@pytest.fixture
def export(tmp_path: Path) -> Export3:
    """Exports three formats by scripted processes, one after the other."""

    def run(*processes: ScriptedSandbox, deadline: float = 60) -> list[ExportedFile]:
        left = list(processes)
        exporter = Exporter(
            open_sandbox=lambda: cast("Sandbox", left.pop(0)),
            directory=tmp_path,
            settings=TrainerSettings(),
        )
        for each in (LITERT, SAVED_MODEL, ONNX):
            (tmp_path / export_file(each)).write_bytes(b"123")
        order = Export(
            model_file="model.keras",
            data_directory="data",
            formats=[SAVED_MODEL, LITERT, ONNX],
            memory_bytes=None,
        )
        found = exporter.export(order, deadline=Deadline.after(deadline))
        assert not left
        assert [each.result.format for each in found] == order.formats
        return found

    return run


def errors_of(exports: list[ExportedFile]) -> list[str | None]:
    return [each.result.error for each in exports]


def test_one_process_makes_all_formats(export: Export3) -> None:
    found = export(
        ScriptedSandbox(Ready(), done(SAVED_MODEL), done(LITERT, "no"), done(ONNX))
    )
    assert errors_of(found) == [None, "no", None]
    assert [each.result.size_bytes for each in found] == [3, None, 3]


@pytest.mark.parametrize(
    ("end", "message"),
    [
        (ABORTED, "it ended its process: .*SIGABRT"),
        (KILLED, r"more memory than it may use: raise resources\.memory"),
        (None, "it took longer than"),
    ],
)
def test_a_converter_that_dies_costs_its_format_only(
    export: Export3, end: Exception | None, message: str
) -> None:
    first = ScriptedSandbox(Ready(), done(SAVED_MODEL), end)
    second = ScriptedSandbox(Ready(), done(ONNX))
    found = export(first, second)
    assert errors_of(found)[::2] == [None, None]
    with pytest.raises(ValueError, match=message):
        raise ValueError(found[1].result.error)
    assert second.order is not None
    assert second.order.formats == [ONNX]


def test_without_tensorflow_there_are_no_exports(export: Export3) -> None:
    found = export(ScriptedSandbox(NO_START))
    assert all(
        "TensorFlow could not be started" in (each or "") for each in errors_of(found)
    )


def test_a_training_that_has_no_time_left_makes_none(export: Export3) -> None:
    assert set(errors_of(export(deadline=0))) == {"deadline_seconds left no time for it"}


class RefusingAttempts(InMemoryAttempts):
    """An API that takes no export."""

    def upload_export(
        self,
        path: Path,
        format: ArtifactFormat,  # noqa: A002  the API's word
    ) -> Artifact:
        problem = Problem(
            type=f"{PROBLEM_TYPE_PREFIX}body-too-large",
            title=f"{path.name} is too large, as {format}",
            status=413,
            detail="Send a smaller one.",
        )
        raise ProblemError(problem)


def test_an_export_that_the_api_refuses_is_told_in_the_result(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(b"onnx")
    export = ExportedFile(ExportResult(format=ONNX, size_bytes=4, seconds=1.0), path)
    refusing, taking = (
        kind(training_order("control")) for kind in (RefusingAttempts, InMemoryAttempts)
    )
    refused = upload_export(export, Reporter(refusing))
    assert refused.size_bytes is None
    assert "Send a smaller one" in (refused.error or "")
    assert upload_export(export, Reporter(taking)) == export.result
    assert taking.exports == {ONNX: b"onnx"}


def test_a_format_that_was_not_made_is_not_uploaded(tmp_path: Path) -> None:
    failed = ExportResult(format=ONNX, seconds=1.0, error="no")
    attempts = InMemoryAttempts(training_order("control"))
    found = upload_export(ExportedFile(failed, tmp_path / "none"), Reporter(attempts))
    assert (found, attempts.calls) == (failed, [])
