from pathlib import Path

import numpy as np
import pytest
from baselines import Errors, mean_errors, persistence_errors
from readings import DataError, Readings
from sklearn.metrics import mean_absolute_error, r2_score, root_mean_squared_error

from tests.support.data_sets import data_set

HEADER = "ALK_MGL,COND_USCM,PH,SS_MGL,NO3_N_MGL"
GOOD = "74.0,220.0,7.72,2.0,0.24"


def read(folder: Path, *rows: str, header: str = HEADER) -> Readings:
    path = folder / "readings.csv"
    path.write_text("\n".join([header, *rows, ""]))
    return Readings.from_file(path)


def test_readings_keep_their_order(tmp_path: Path) -> None:
    readings = read(tmp_path, GOOD, "76.0,270.0,7.7,5.0,0.85", "70,260,7,4,0.1")
    assert readings.nitrate.tolist() == [0.24, 0.85, 0.1]
    assert readings.sensors[1].tolist() == [76.0, 270.0, 7.7, 5.0]


def test_columns_are_found_by_their_names(tmp_path: Path) -> None:
    row = "noon,0.24,7.72,2.0,220.0,74.0"
    header = "TIME,NO3_N_MGL,PH,SS_MGL,COND_USCM,ALK_MGL"
    readings = read(tmp_path, row, header=header)
    assert readings.sensors.tolist() == [[74.0, 220.0, 7.72, 2.0]]
    assert readings.nitrate.tolist() == [0.24]


@pytest.mark.parametrize(
    "row",
    [
        "171798692,220.0,7.72,2.0,0.24",
        "74.0,220.0,14.1,2.0,0.24",
        "-1,220.0,7.72,2.0,0.24",
        "74.0,220.0,7.72,2.0,-0.1",
        "74.0,,7.72,2.0,0.24",
        "74.0,220.0,7.72,2.0,nan",
        "74.0,220.0,7.72,2.0,inf",
        "74.0,220.0,seven,2.0,0.24",
        "74.0,220.0",
    ],
)
def test_what_cannot_have_been_read_is_left_out_and_counted(
    tmp_path: Path, row: str
) -> None:
    readings = read(tmp_path, GOOD, row, GOOD)
    assert readings.nitrate.tolist() == [0.24, 0.24]
    assert readings.left_out == 1


@pytest.mark.parametrize(
    ("header", "rows", "said"),
    [
        ("ALK_MGL,PH", [GOOD], "the columns COND_USCM, SS_MGL, NO3_N_MGL are missing"),
        (HEADER, [], "no readings that can be used"),
        (HEADER, ["a,b,c,d,e"], "no readings that can be used"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused(
    tmp_path: Path, header: str, rows: list[str], said: str
) -> None:
    with pytest.raises(DataError, match=said):
        read(tmp_path, *rows, header=header)


def test_a_record_is_what_a_gateway_would_send(tmp_path: Path) -> None:
    assert read(tmp_path, GOOD).to_records() == [
        {"ALK_MGL": 74, "COND_USCM": 220, "PH": 7.72, "SS_MGL": 2, "NO3_N_MGL": 0.24}
    ]


def test_errors_are_those_of_the_textbook() -> None:
    generator = np.random.default_rng(1)
    truth, predicted = generator.normal(size=(2, 50))
    errors = Errors.between(truth, predicted)
    assert errors.mae == pytest.approx(mean_absolute_error(truth, predicted))
    assert errors.rmse == pytest.approx(root_mean_squared_error(truth, predicted))
    assert errors.r2 == pytest.approx(r2_score(truth, predicted))


def test_a_baseline_knows_only_what_came_before() -> None:
    values = np.array([1.0, 3.0, 100.0, 4.0, 8.0])
    of_the_mean = mean_errors(values, trained=2, tested=2)
    assert of_the_mean == Errors.between(values[-2:], np.array([2.0, 2.0]))
    of_the_last = persistence_errors(values, tested=2)
    assert of_the_last == Errors.between(values[-2:], np.array([100.0, 4.0]))


def test_of_the_real_readings_two_are_impossible() -> None:
    path = data_set("no3_soft_sensor.csv")
    readings = Readings.from_file(path)
    assert (len(readings.nitrate), readings.left_out) == (71_992, 2)
    assert len(Readings.from_file(path, limit=1000).nitrate) == 1000
