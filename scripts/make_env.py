#!/usr/bin/env python3
"""Makes .env out of .env.example, with a random secret wherever a value is missing."""

import os
import re
import secrets
from pathlib import Path

ROOT = Path(__file__).parent.parent
SECRET_BYTES = 32


def fill_in(example: str) -> str:
    """Return the settings; a secret has letters and digits only."""
    return re.sub(
        r"^(\w+=)$",
        lambda line: line[1] + secrets.token_hex(SECRET_BYTES),
        example,
        flags=re.MULTILINE,
    )


def main() -> None:
    """Write .env for its owner's eyes only; raise FileExistsError if it is there."""
    content = fill_in((ROOT / ".env.example").read_text())
    descriptor = os.open(ROOT / ".env", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(content)


if __name__ == "__main__":
    main()
