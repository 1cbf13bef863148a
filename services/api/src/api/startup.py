"""What a first start tells the person who made it."""

import sys


def show_first_token(secret: str | None) -> None:
    """Show a new admin token: on standard error, once, and never in a log record."""
    if secret is None:
        return
    sys.stderr.write(
        "\n    There was no admin token, so one was made. It is shown only now:\n\n"
        f"        {secret}\n\n"
        "    Paste it in /docs (Authorize), or set KAFKA_ML_TOKEN to it.\n\n"
    )
    sys.stderr.flush()
