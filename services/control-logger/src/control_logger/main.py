"""The process: records every control message as a datasource, once."""

import asyncio
from datetime import timedelta

from control_logger.config import ControlLoggerSettings
from control_logger.logger import ControlLogger
from kafkaml.client import AsyncClient
from kafkaml.heartbeat import Heartbeat
from kafkaml.logging import configure_logging
from kafkaml.signals import stop_on_signals


async def run(settings: ControlLoggerSettings) -> None:
    """Record control messages until the process is told to stop."""
    stop = asyncio.Event()
    stop_on_signals(stop.set)
    token = settings.token.get_secret_value() if settings.token else None
    # The recording repeats by itself, for as long as it takes, and sees a stop.
    async with AsyncClient(
        settings.url, token, timeout=settings.api_timeout, retry_for=timedelta(0)
    ) as client:
        await ControlLogger(
            settings=settings,
            recorder=client.datasources,
            heartbeat=Heartbeat(settings.heartbeat_file),
            stop=stop,
        ).run()


def main() -> None:
    """Run with the settings of the environment."""
    settings = ControlLoggerSettings()
    configure_logging(settings)
    asyncio.run(run(settings))


if __name__ == "__main__":
    main()
