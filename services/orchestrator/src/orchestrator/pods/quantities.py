"""The quantities of Kubernetes: `500m`, `2Gi`, `1e3`."""

import re
from collections.abc import Mapping
from decimal import Decimal

_FORMAT = re.compile(
    r"([+-]?(?:\d+\.?\d*|\.\d+))(?:([eE][+-]?\d+)|([numkMGTPE]|[KMGTPE]i))?"
)
_FACTORS = {
    "n": Decimal("1e-9"),
    "u": Decimal("1e-6"),
    "m": Decimal("1e-3"),
    **{unit: Decimal(10) ** (3 * n) for n, unit in enumerate("kMGTPE", start=1)},
    **{f"{unit}i": Decimal(2) ** (10 * n) for n, unit in enumerate("KMGTPE", start=1)},
}


def parse_quantity(text: str) -> Decimal:
    """Return the number that a quantity names; raise `ValueError` if it names none."""
    match = _FORMAT.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text!r} is not a quantity")
    number, exponent, unit = match.groups()
    return Decimal(number + (exponent or "")) * _FACTORS.get(unit, Decimal(1))


def parse_quantities(texts: Mapping[str, object]) -> dict[str, Decimal]:
    """Return the numbers of a list of resources; leave out what cannot be read."""
    numbers = {}
    for name, text in texts.items():
        try:
            numbers[name] = parse_quantity(str(text))
        except ValueError:
            continue
    return numbers
