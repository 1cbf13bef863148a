"""Formats by name."""

import pytest

from kafkaml.exceptions import FormatError
from kafkaml.records import feature_codec, record_format


@pytest.mark.parametrize("name", ["", "raw", "CSV", "x" * 1000])
def test_unknown_formats_are_refused(name: str) -> None:
    with pytest.raises(FormatError, match="RAW, AVRO, JSON"):
        record_format(name, {})
    with pytest.raises(FormatError, match="RAW, AVRO, JSON"):
        feature_codec(name, {})
