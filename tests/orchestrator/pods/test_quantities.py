from decimal import Decimal

import pytest

from orchestrator.pods.quantities import parse_quantities, parse_quantity


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("2", 2),
        ("0.5", Decimal("0.5")),
        (".5", Decimal("0.5")),
        ("1.", 1),
        ("500m", Decimal("0.5")),
        ("100u", Decimal("0.0001")),
        ("1n", Decimal("1e-9")),
        ("128k", 128_000),
        ("24581684Ki", 24581684 * 1024),
        ("64Mi", 64 * 2**20),
        ("2Gi", 2 * 2**30),
        ("1.5Gi", 3 * 2**29),
        ("1Ti", 2**40),
        ("1Pi", 2**50),
        ("1Ei", 2**60),
        ("3M", 3_000_000),
        ("2G", 2_000_000_000),
        ("1T", 10**12),
        ("1P", 10**15),
        ("12E", 12 * 10**18),
        ("12E2", 1200),
        ("12e2", 1200),
        ("1e-3", Decimal("0.001")),
        ("-1", -1),
    ],
)
def test_quantities_are_read_as_kubernetes_reads_them(
    text: str, number: Decimal | int
) -> None:
    assert parse_quantity(text) == number


@pytest.mark.parametrize("text", ["", "Gi", "1 Gi", "1K", "1gi", "1e", "nan", "1.2.3"])
def test_what_is_no_quantity_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a quantity"):
        parse_quantity(text)


def test_of_a_list_what_cannot_be_read_is_left_out() -> None:
    assert parse_quantities({"cpu": "2", "memory": "much", "pods": 110}) == {
        "cpu": 2,
        "pods": 110,
    }
