"""Types are known by name without NumPy, and mean what they mean to NumPy."""

import string
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kafkaml.exceptions import FormatError
from kafkaml.formats.dtypes import item_bytes_of, type_of

# Announced streams have these names, so none of them may go.
KNOWN = {
    "bool", "bool_", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32",
    "uint64", "float16", "float32", "float64", "byte", "ubyte", "short", "ushort", "intc",
    "uintc", "int", "uint", "int_", "longlong", "ulonglong", "half", "single", "float",
    "double",
}  # fmt: skip
ALIASES = [name for name in np.sctypeDict if isinstance(name, str)]
SPELLINGS = sorted(
    {*ALIASES, *(order + name for order in "<>=|" for name in ALIASES)}
    | {change(name) for name in ALIASES for change in (str.upper, str.title, "{} ".format)}
)


def numpy_type_of(name: str) -> str:
    # TensorFlow's meaning: the first sinks wrote 4 bytes.
    return np.dtype("float32" if name == "float" else name).newbyteorder("<").str


def is_taken(name: str) -> bool:
    with suppress(FormatError):
        return bool(type_of(name, "data_type"))
    return False


@pytest.mark.parametrize("name", sorted(KNOWN))
def test_a_known_name_means_what_it_means_to_numpy(name: str) -> None:
    found = type_of(name, "data_type")
    assert found == numpy_type_of(name)
    assert item_bytes_of(found) == np.dtype(found).itemsize


@pytest.mark.parametrize("code", np.typecodes["AllInteger"] + "?efd")
def test_every_number_type_of_numpy_is_known_by_its_own_name(code: str) -> None:
    dtype = np.dtype(code)
    assert type_of(dtype.name, "data_type") == dtype.newbyteorder("<").str


@pytest.mark.parametrize("code", "gFDGOSUVMm")
def test_no_other_type_of_numpy_is(code: str) -> None:
    assert not is_taken(np.dtype(code).name)


def test_of_all_that_numpy_understands_only_known_names_are_taken() -> None:
    taken = {name for name in SPELLINGS if is_taken(name)}
    assert len(SPELLINGS) > 500
    assert taken == KNOWN & set(ALIASES)


@given(st.text(max_size=12) | st.text(string.printable, max_size=4) | st.from_regex(
    r"[<>=|]?(u?int|float|bool|half|single|double|long)[0-9_ ]{0,3}", fullmatch=True
))  # fmt: skip
def test_of_anything_else_nothing_is_taken(name: str) -> None:
    assert is_taken(name) == (name in KNOWN)
