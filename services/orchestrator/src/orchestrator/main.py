"""The orchestrator's process."""

import asyncio
import signal
import sys

from kafkaml.logging import configure_logging
from orchestrator.config import Settings
from orchestrator.exceptions import SettingsError
from orchestrator.factory import build


async def run(settings: Settings) -> None:
    """Orchestrate until SIGTERM or SIGINT."""
    async with build(settings) as orchestrator:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, orchestrator.stop)
        await orchestrator.run()


def main() -> None:
    """Run the orchestrator with the settings of the environment."""
    settings = Settings()
    configure_logging(settings)
    try:
        asyncio.run(run(settings))
    except SettingsError as e:
        sys.exit(str(e))


if __name__ == "__main__":
    main()
