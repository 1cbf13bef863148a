import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from inferencer.engines.litert import LiteRTEngine, LiteRTLoader
from inferencer.exceptions import (
    ExportDamagedError,
    ExportUnequalError,
    PredictionError,
)

from .exports import OUTPUTS, SIZES, manifest, sum_export, sum_file
from .orders import FEATURES

Load = Callable[[bytes], LiteRTEngine]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    def load_one(content: bytes) -> LiteRTEngine:
        path = tmp_path / "litert.zip"
        path.write_bytes(content)
        return LiteRTLoader(threads=2).load(path, input_shape=(FEATURES,))

    return load_one


@pytest.fixture
def engine(load: Load) -> LiteRTEngine:
    return load(sum_export())


@pytest.mark.parametrize("rows", [1, 2, 7, 8, 9, 31, 32, 33, 100, 1000])
def test_every_record_is_answered_for_every_batch_size(
    engine: LiteRTEngine, rows: int
) -> None:
    batch = np.random.default_rng(rows).random((rows, FEATURES), np.float32)

    answers = engine.predict(batch)

    assert answers.shape == (rows, OUTPUTS)
    assert np.abs(answers - batch.sum(axis=1, keepdims=True)).max() < 1e-6


def test_records_of_another_type_are_converted(engine: LiteRTEngine) -> None:
    batch = np.array([[250, 3, 0, 1], [0, 0, 0, 1]], np.uint8)

    assert engine.predict(batch).tolist() == [[254, 254], [1, 1]]


def test_no_answer_changes_later(engine: LiteRTEngine) -> None:
    first = engine.predict(np.ones((8, FEATURES), np.float32))
    engine.predict(np.zeros((8, FEATURES), np.float32))

    assert (first == FEATURES).all()
    assert first.flags.owndata


def test_rows_that_are_left_over_show_nowhere(engine: LiteRTEngine) -> None:
    engine.predict(np.full((32, FEATURES), np.nan, np.float32))

    answers = engine.predict(np.ones((30, FEATURES), np.float32))

    assert (answers == FEATURES).all()


def test_records_that_do_not_fit_cannot_be_predicted(engine: LiteRTEngine) -> None:
    with pytest.raises(PredictionError, match="shape"):
        engine.predict(np.zeros((2, 3), np.float32))
    with pytest.raises(PredictionError, match="LiteRT"):
        engine.predict(np.array([["a", "b", "c", "d"]]))
    assert engine.predict(np.ones((1, FEATURES), np.float32))[0, 0] == FEATURES


def test_the_report_has_the_time_of_a_call_of_every_size(engine: LiteRTEngine) -> None:
    milliseconds = engine.report.call_milliseconds

    assert list(milliseconds) == [str(size) for size in SIZES]
    assert all(0 < each < 1000 for each in milliseconds.values())


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"no archive", "unpacked"),
        (sum_export()[:-200], "unpacked"),
        (sum_export(files={"manifest.json": None}), r"no manifest\.json"),
        (sum_export(files={"manifest.json": b"{}"}), r"wrong at batch_sizes"),
        (sum_export(files={"manifest.json": b"\xff{"}), r"manifest\.json is wrong"),
        (sum_export(files={"batch-8.tflite": None}), r"no batch-8\.tflite"),
        (sum_export(files={"batch-8.tflite": b"other"}), r"load its batch-8\.tflite"),
        (sum_export(files={"batch-8.tflite": sum_file(9)}), r"batch-8\.tflite has"),
        (sum_export(compression=zipfile.ZIP_DEFLATED), "compressed"),
        (sum_export(described=manifest([])), "wrong at batch_sizes"),
    ],
)
def test_a_damaged_export_is_refused_with_what_is_wrong(
    load: Load, content: bytes, said: str
) -> None:
    with pytest.raises(ExportDamagedError, match=said):
        load(content)


def test_an_export_for_other_records_is_refused(load: Load) -> None:
    described = {"name": "record", "dtype": "float32", "shape": [9]}

    with pytest.raises(ExportDamagedError, match=r"shape \(9,\), not \(4,\)"):
        load(sum_export(described=manifest(input=described)))


@pytest.mark.parametrize(
    "changes",
    [
        {"max_difference": {"1": 0.0, "8": 2e-5, "32": 0.0}},
        {"max_difference": {"1": 0.0, "8": 0.0}},
        {"max_difference": {"1": 0.0, "8": None, "32": 0.0}},
        {"max_difference": {"1": 0.0, "8": 2e-3, "32": 0.0}, "largest_output": 100.0},
    ],
)
def test_answers_other_than_those_of_keras_are_refused(
    load: Load, changes: dict[str, Any]
) -> None:
    with pytest.raises(ExportUnequalError):
        load(sum_export(described=manifest(**changes)))


def test_large_answers_may_differ_by_more(load: Load) -> None:
    differences = dict.fromkeys(map(str, SIZES), 5e-4)

    load(sum_export(described=manifest(max_difference=differences, largest_output=100.0)))


@pytest.mark.parametrize(
    "other", [sum_file(8, bias=1e-3), sum_file(8, weight=float("nan"))]
)
def test_a_size_that_answers_otherwise_than_the_others_is_refused(
    load: Load, other: bytes
) -> None:
    with pytest.raises(ExportUnequalError, match=r"batch-8\.tflite"):
        load(sum_export(files={"batch-8.tflite": other}))
