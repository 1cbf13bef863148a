"""Makes the Secret of an installation: `python -m orchestrator.make_secrets`.

Values are random. What the Secret already holds stays as it is; what it lacks is added, so
that somebody else may make it, or a part of it, before.
"""

import argparse
import asyncio
import base64
import secrets
import sys
import time
from collections.abc import Mapping, Sequence
from datetime import timedelta
from urllib.parse import quote

import structlog

from kafkaml.backoff import Backoff, is_set_within
from kafkaml.config import LogSettings
from kafkaml.logging import configure_logging
from kafkaml.signals import stop_on_signals
from orchestrator.exceptions import ExecutorError
from orchestrator.executors.kubernetes.client import KubernetesClient
from orchestrator.executors.kubernetes.resources import SECRETS, Manifest

NAME = "kafka-ml"
TOKENS = ("admin-token", "orchestrator-token", "control-logger-token")
USER = DATABASE = "kafka_ml"

logger = structlog.get_logger(__name__)


class SecretMaker:
    """Makes the Secret; `postgres` is the host of a database that takes its password."""

    def __init__(self, *, client: KubernetesClient, postgres: str | None = None) -> None:
        self._client = client
        self._postgres = postgres

    async def make(self) -> list[str]:
        """Make what lacks and return the keys; raise `ExecutorError` if that failed."""
        found = await self._client.get(SECRETS, NAME)
        if found is None:
            return await self._create()
        lacking = self._lacking(_values(found))
        if lacking:
            await self._add(found, lacking)
        return sorted(lacking)

    async def _create(self) -> list[str]:
        values = self._lacking({})
        manifest = {
            "apiVersion": SECRETS.api_version,
            "kind": SECRETS.kind,
            "metadata": {"name": NAME, "labels": {"app.kubernetes.io/part-of": NAME}},
            "type": "Opaque",
            "stringData": values,
        }
        if await self._client.create(SECRETS, manifest) is None:
            raise ExecutorError(f"the Secret {NAME} was made by another one meanwhile")
        return sorted(values)

    async def _add(self, found: Manifest, lacking: Mapping[str, str]) -> None:
        # With its version: what another one has added meanwhile is a conflict, not lost.
        version = found["metadata"]["resourceVersion"]
        changes = {"metadata": {"resourceVersion": version}, "stringData": lacking}
        if await self._client.patch(SECRETS, NAME, changes) is None:
            raise ExecutorError(f"the Secret {NAME} was deleted meanwhile")

    def _lacking(self, values: Mapping[str, str]) -> dict[str, str]:
        lacking = {key: _draw_token() for key in TOKENS if key not in values}
        if self._postgres is None:
            return lacking
        if "postgres-password" not in values:
            lacking["postgres-password"] = secrets.token_urlsafe(32)
        if "database-url" not in values:
            password = {**values, **lacking}["postgres-password"]
            lacking["database-url"] = _database_url(self._postgres, password)
        return lacking


def _values(secret: Manifest) -> dict[str, str]:
    data: Mapping[str, str] = secret.get("data") or {}
    return {key: base64.b64decode(value).decode() for key, value in data.items()}


def _draw_token() -> str:
    return f"kml_{secrets.token_urlsafe(32)}"


def _database_url(host: str, password: str) -> str:
    return f"postgresql+asyncpg://{USER}:{quote(password, safe='')}@{host}:5432/{DATABASE}"


async def make_in_time(maker: SecretMaker, *, longest: timedelta) -> None:
    """Make the Secret, and try again for a while; raise the last `ExecutorError`."""
    stop = asyncio.Event()
    stop_on_signals(stop.set)
    deadline = time.monotonic() + longest.total_seconds()
    backoff = Backoff()
    while True:
        try:
            made = await maker.make()
        except ExecutorError as e:
            delay = backoff.next_delay()
            if time.monotonic() + delay > deadline:
                raise
            logger.warning("secret_not_made", reason=str(e), retry_seconds=delay)
            if await is_set_within(stop, delay):
                raise
        else:
            logger.info("secret_made" if made else "secret_is_there", added=made)
            return


async def run(arguments: argparse.Namespace) -> None:
    """Make the Secret in the cluster that the environment names."""
    async with KubernetesClient.connect(namespace=arguments.namespace) as client:
        maker = SecretMaker(client=client, postgres=arguments.postgres)
        await make_in_time(maker, longest=timedelta(seconds=arguments.patience))


def main(arguments: Sequence[str] | None = None) -> None:
    """Run with the arguments of the command line."""
    parser = argparse.ArgumentParser(description="Make the Secret of an installation.")
    parser.add_argument("--namespace", default="kafka-ml", help="of the Secret")
    parser.add_argument("--postgres", help="host of a Postgres that takes its password")
    parser.add_argument(
        "--patience", type=float, default=120, help="seconds to try for (default: 120)"
    )
    configure_logging(LogSettings())
    try:
        asyncio.run(run(parser.parse_args(arguments)))
    except ExecutorError as e:
        sys.exit(str(e))


if __name__ == "__main__":
    main()
