"""Lets tests import the modules of the examples, which are scripts and no packages."""

import sys
from pathlib import Path

EXAMPLES = Path(__file__).parents[2] / "examples"

for folder in ("common", "copd", "soft-sensor"):
    sys.path.append(str(EXAMPLES / folder))
