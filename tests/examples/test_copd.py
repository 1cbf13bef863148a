import io
import json
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from patients import DATA_SCHEMA, LABEL_SCHEMA, DataError, Patients
from rich.console import Console
from rich.table import Table
from runs import Times
from tables import WAYS, prediction_times, training_times
from workbench import CheckFailedError, Platform

from kafkaml.formats import AvroFormat
from kafkaml.records.avro import AvroCodec
from tests.support.data_sets import data_set

EXASENS = """\
Diagnosis,ID,Imaginary Part,,Real Part,,Gender,Age,Smoking,,
,,,,,,,,,,
,,Min,Avg.,Min,Avg.,,,,,
COPD,1-4,-320.61,-300.5,-495.26,-464.1,1,77,2,,
COPD,2,,,,,0,72,3,,
HC,3,,,,,0,45,1,,
Asthma,A4,,,,,1,19,1,,
Infected,I5,,,,,0,38,2,,
"""
EXTRACT = "Diagnosis,Gender,Age,Smoking\n1,1,77,2\n1,0,72,3\n0,0,45,1\n"


def read(folder: Path, text: str) -> Patients:
    path = folder / "patients.csv"
    path.write_text(text)
    return Patients.from_file(path)


def lines_of(table: Table) -> list[Sequence[str]]:
    console = Console(file=io.StringIO(), width=200)
    with console.capture() as captured:
        console.print(table)
    return [line.split() for line in captured.get().splitlines() if line.strip()]


def test_exasens_and_the_extract_of_the_paper_give_the_same_patients(
    tmp_path: Path,
) -> None:
    whole, extract = read(tmp_path, EXASENS), read(tmp_path, EXTRACT)
    assert whole.diagnoses.tolist() == [True, True, False]
    np.testing.assert_array_equal(whole.features, extract.features)
    np.testing.assert_array_equal(whole.diagnoses, extract.diagnoses)


def test_each_feature_has_mean_0_and_deviation_1(tmp_path: Path) -> None:
    features = read(tmp_path, EXTRACT).features
    assert features.dtype == np.float32
    np.testing.assert_allclose(features.mean(axis=0), 0, atol=1e-6)
    np.testing.assert_allclose(features.std(axis=0), 1, atol=1e-6)
    assert np.argsort(features[:, 1]).tolist() == [2, 1, 0], "ages keep their order"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Diagnosis,Gender,Age\n1,1,77\n", "the columns Smoking are missing"),
        ("1,1,77,2\n", "not both groups"),
        (EXTRACT + "1,1,old,2\n", "row 4 has no number where one belongs"),
        (EXTRACT + "1,1\n", "the columns Age, Smoking are missing"),
        ("Diagnosis,Gender,Age,Smoking\n1,1,77,2\n1,0,72,3\n", "not both groups"),
        (EXTRACT.replace(",0,", ",1,"), "the same value everywhere"),
        (EXTRACT + "1,1,nan,2\n", "the same value everywhere, or none in some row"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused(
    tmp_path: Path, text: str, said: str
) -> None:
    with pytest.raises(DataError, match=said):
        read(tmp_path, text)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"there is no file .*patients\.csv"):
        Patients.from_file(tmp_path / "patients.csv")


def test_without_a_file_it_says_where_to_get_one() -> None:
    if find_spec("ucimlrepo") is not None:
        pytest.skip("ucimlrepo is installed: it would download")
    with pytest.raises(DataError, match="name the file by --data, or install ucimlrepo"):
        Patients.fetched()


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    patients = read(tmp_path, EXTRACT)
    again = Patients.load(patients.save(tmp_path / "patients.npz"))
    np.testing.assert_array_equal(again.features, patients.features)
    np.testing.assert_array_equal(again.diagnoses, patients.diagnoses)


def test_the_schemas_carry_the_patients(tmp_path: Path) -> None:
    patients = read(tmp_path, EXTRACT)
    config = {
        "data_scheme": json.dumps(DATA_SCHEMA),
        "label_scheme": json.dumps(LABEL_SCHEMA),
    }
    data = AvroCodec(AvroFormat.from_config(config, "data_scheme"))
    label = AvroCodec(AvroFormat.from_config(config, "label_scheme"))
    values = data.encode(patients.features)
    keys = label.encode(patients.diagnoses[:, np.newaxis])
    np.testing.assert_array_equal(data.decode(values).array, patients.features)
    assert label.decode(keys).array.ravel().tolist() == [1, 1, 0]


def test_the_file_of_the_paper_is_sorted_by_class() -> None:
    patients = Patients.from_file(data_set("hcopd.csv"))
    assert patients.counts() == (160, 79)
    assert patients.counts(slice(191, None)) == (48, 0), "a test part without COPD"


def test_table_1_compares_with_the_normal_way_and_leaves_out_what_was_not_run() -> None:
    normal = Times(first_step=0.5, fit=1.0, read_and_fit=2.0, end_to_end=9.0)
    streams = Times(first_step=0.4, fit=0.9, read_and_fit=1.0, end_to_end=6.5)
    table = training_times({WAYS[0]: normal, WAYS[1]: streams})
    shown = lines_of(table)[-3:]
    assert shown[0][-7:] == ["27.37", "1.00", "2.00", "1.00", "0.50", "1.00", "9.00"]
    assert shown[1][-7:] == ["29.61", "1.08", "1.00", "0.50", "0.40", "0.90", "6.50"]
    assert shown[2][-7:] == ["31.44", "1.15", "-", "-", "-", "-", "-"]


def test_table_2_is_in_milliseconds() -> None:
    shown = lines_of(prediction_times({WAYS[0]: 0.05, WAYS[1]: 0.01}))[-3:]
    assert shown[0][-4:] == ["79.00", "1.00", "50.00", "1.00"]
    assert shown[1][-4:] == ["374.00", "4.73", "10.00", "0.20"]
    assert shown[2][-4:] == ["335.00", "4.24", "-", "-"]


def test_the_times_of_rounds_are_their_medians() -> None:
    rounds = [Times(n, n + 10, n + 20, n + 30) for n in (5.0, 1.0, 3.0)]
    assert Times.median(rounds) == Times(3, 13, 23, 33)


def test_a_platform_in_docker_is_found_by_its_settings(tmp_path: Path) -> None:
    settings = tmp_path / ".env"
    with pytest.raises(CheckFailedError, match="make demo-compose"):
        Platform.from_compose(settings)
    settings.write_text("# ports\nKAFKA_ML_API_PORT=8001\nKAFKA_ML_ADMIN_TOKEN=kml_a\n")
    found = Platform("http://127.0.0.1:8001", "kml_a", "127.0.0.1:9092")
    assert Platform.from_compose(settings) == found
