"""What a user imports, and what importing it costs."""

import subprocess
import sys

import pytest

import kafkaml


@pytest.mark.parametrize("name", kafkaml.__all__)
def test_the_main_names_are_in_the_package(name: str) -> None:
    assert getattr(kafkaml, name).__name__ == name
    assert name in dir(kafkaml)


def test_other_names_are_not() -> None:
    assert kafkaml.__version__
    with pytest.raises(AttributeError, match="'Sinks'"):
        _ = kafkaml.Sinks


@pytest.mark.parametrize(
    ("module", "absent"),
    [
        ("kafkaml", {"tensorflow", "keras", "numpy", "confluent_kafka", "pydantic"}),
        ("kafkaml.formats", {"numpy", "confluent_kafka", "httpx"}),
        ("kafkaml.records", {"tensorflow", "keras", "confluent_kafka", "httpx", "pandas"}),
        ("kafkaml.sinks", {"tensorflow", "keras", "pandas", "httpx"}),
        ("kafkaml.client", {"tensorflow", "keras", "pandas"}),
        ("kafkaml.predictor", {"tensorflow", "keras", "pandas"}),
    ],
)
def test_imports_bring_in_no_more_than_they_need(module: str, absent: set[str]) -> None:
    code = f"import sys, {module}; print(*sys.modules)"
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    assert not absent & set(result.stdout.split())
