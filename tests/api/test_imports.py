"""What the processes of the API load: neither what only records need nor what models do."""

import subprocess
import sys

import pytest

ABSENT = {"numpy", "pandas", "tensorflow", "keras", "confluent_kafka"}


@pytest.mark.parametrize("module", ["api.main", "api.relay", "api.migrate"])
def test_an_entry_point_loads_no_more_than_it_needs(module: str) -> None:
    code = f"import sys, {module}; print(*sys.modules)"
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    assert not ABSENT & set(result.stdout.split())
