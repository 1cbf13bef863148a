"""Formats by name, and what importing them costs."""

import subprocess
import sys

import pytest

from kafkaml.exceptions import FormatError
from kafkaml.records import feature_codec, record_format


@pytest.mark.parametrize("name", ["", "raw", "CSV", "x" * 1000])
def test_unknown_formats_are_refused(name: str) -> None:
    with pytest.raises(FormatError, match="RAW, AVRO, JSON"):
        record_format(name, {})
    with pytest.raises(FormatError, match="RAW, AVRO, JSON"):
        feature_codec(name, {})


@pytest.mark.parametrize(
    ("module", "absent"),
    [
        ("kafkaml", {"tensorflow", "keras", "numpy", "confluent_kafka", "pydantic"}),
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
