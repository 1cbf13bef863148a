"""The orchestrator's process."""

import asyncio
import sys

from kafkaml.logging import configure_logging
from kafkaml.signals import stop_on_signals
from orchestrator.config import Settings
from orchestrator.exceptions import SettingsError
from orchestrator.factory import build


async def run(settings: Settings) -> None:
    """Orchestrate until SIGTERM or SIGINT."""
    async with build(settings) as orchestrator:
        stop_on_signals(orchestrator.stop)
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
