"""The profile of the training data: exact on few records, bounded on many."""

from pathlib import Path
from typing import Any
from zipfile import ZipFile

import numpy as np
import pytest
from numpy.typing import NDArray

from kafkaml.exceptions import FormatError
from kafkaml.profiles import HISTOGRAM_BINS, PROFILE_MEMBER, read_profile
from trainer.data.dataset import Dataset
from trainer.data.split import Split
from trainer.models.members import add_members
from trainer.results.columns import profile_columns
from trainer.results.profile import profile_of

NONE = np.empty(0, np.int64)


def all_training(features: NDArray[Any], labels: NDArray[Any]) -> Dataset:
    return Dataset(features, labels, Split(np.arange(len(features)), NONE, NONE))


def test_columns_are_measured_as_numpy_does() -> None:
    values = np.random.default_rng(0).normal(5, 2, (1001, 3)).astype(np.float32)
    for column, found in enumerate(profile_columns(values)):
        one = values[:, column].astype(np.float64)
        assert found.count == 1001
        assert found.mean == pytest.approx(one.mean(), rel=1e-5)
        assert found.deviation == pytest.approx(one.std(), rel=1e-5)
        extremes = [found.minimum, found.maximum]
        assert extremes == pytest.approx([one.min(), one.max()], rel=1e-5)
        percentiles = list(found.percentiles.model_dump().values())
        wanted = np.percentile(one, [1, 5, 25, 50, 75, 95, 99])
        assert percentiles == pytest.approx(list(wanted), rel=1e-5)
        assert found.histogram == np.histogram(one, HISTOGRAM_BINS)[0].tolist()


def test_values_that_are_not_finite_are_counted_apart() -> None:
    values = np.array([[1, np.nan, 7], [np.inf, np.nan, 7], [3, -np.inf, 7]])
    some, none, constant = profile_columns(values)
    assert (some.count, some.missing, some.mean, some.minimum, some.maximum) == (
        *(2, 1, 2.0, 1.0, 3.0),
    )
    assert sum(some.histogram) == 2
    assert (none.count, none.missing, none.mean, none.percentiles.p50) == (0, 3, None, None)
    assert sum(none.histogram) == 0
    assert (constant.deviation, constant.histogram[0]) == (0.0, 3)


def test_records_are_profiled_value_by_value_and_classes_counted() -> None:
    features = np.arange(24, dtype=np.uint8).reshape(6, 2, 2)
    found = profile_of(all_training(features, np.array([0, 1, 1, 1, 0, 1], np.uint8)))
    assert (found.records, found.profiled, found.shape) == (6, 6, [2, 2])
    assert [each.minimum for each in found.features] == [0, 1, 2, 3]
    assert found.overall is not None
    assert (found.overall.count, found.overall.mean) == (24, 11.5)
    assert found.classes == {"0": 2, "1": 4}
    assert found.labels == []


def test_labels_of_a_regression_are_profiled_as_values() -> None:
    found = profile_of(all_training(np.zeros((4, 1)), np.array([0.5, 1, 1.5, 2])))
    assert found.classes is None
    assert [each.maximum for each in found.labels] == [2.0]


def test_wide_records_and_texts_have_no_features() -> None:
    wide = profile_of(all_training(np.ones((2, 1025)), np.array([0, 1])))
    assert wide.features == []
    assert wide.overall is not None
    text = profile_of(all_training(np.array(["a", "b"]), np.array([0, 1])))
    assert (text.overall, text.features) == (None, [])


def test_of_very_many_records_some_are_profiled() -> None:
    features = np.arange(20_000, dtype=np.float64).reshape(10_000, 2)
    dataset = all_training(features, np.zeros(10_000, np.int64))
    found = profile_of(dataset, max_values=1000)
    assert (found.records, found.profiled) == (10_000, 500)
    assert found.features[0].minimum == 0
    assert found.features[0].maximum == 19_998
    assert found.classes == {"0": 10_000}


def test_the_profile_travels_in_the_model_and_the_model_still_loads(
    tmp_path: Path,
) -> None:
    import keras

    path = tmp_path / "model.keras"
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.save(path)
    assert read_profile(path) is None
    found = profile_of(all_training(np.ones((3, 2)), np.array([0, 1, 1])))
    add_members(path, {PROFILE_MEMBER: found.model_dump_json()})
    assert read_profile(path) == found
    loaded = keras.saving.load_model(path, safe_mode=True)
    assert np.array_equal(loaded.get_weights()[0], model.get_weights()[0])


def test_a_file_that_takes_no_profile_stays_as_it_is(tmp_path: Path) -> None:
    found = profile_of(all_training(np.ones((3, 2)), np.array([0, 1, 1])))
    path = tmp_path / "model.keras"
    path.write_bytes(b"no zip")
    add_members(path, {PROFILE_MEMBER: found.model_dump_json()})
    assert path.read_bytes() == b"no zip"
    with pytest.raises(FormatError, match="no readable profile"):
        read_profile(path)
    with ZipFile(path, "w") as archive:
        archive.writestr(PROFILE_MEMBER, "forged")
    before = path.read_bytes()
    add_members(path, {PROFILE_MEMBER: found.model_dump_json()})
    assert path.read_bytes() == before
    with pytest.raises(FormatError):
        read_profile(path)
