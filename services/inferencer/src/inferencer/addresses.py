"""How the API hears where a replica is asked."""

import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from inferencer.report import Reporter
from kafkaml.schemas.predictions import AddressReport

# The API asks none of which it has heard nothing for 45 s.
REPEAT_SECONDS = 15.0
_KEY_BYTES = 32


def make_key() -> str:
    """Return what only this replica and the API know."""
    return secrets.token_urlsafe(_KEY_BYTES)


def address_of(host: str, port: int) -> str:
    """Return `host:port`, with an IPv6 address in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


@contextmanager
def announced(
    *, host: str | None, port: int | None, key: str, reporter: Reporter
) -> Iterator[None]:
    """Tell the API where the replica is, again and again until the block ends.

    Where there is no server, or no name for it, nothing is told.
    """
    if host is None or port is None:
        yield
        return
    report = AddressReport(address=address_of(host, port), key=key)
    done = threading.Event()
    thread = threading.Thread(
        target=_repeat, args=(report, reporter, done), name="address", daemon=True
    )
    thread.start()
    try:
        yield
    finally:
        done.set()


def _repeat(report: AddressReport, reporter: Reporter, done: threading.Event) -> None:
    while not done.is_set() and reporter.is_at(report):
        done.wait(REPEAT_SECONDS)
