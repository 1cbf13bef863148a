"""The orchestrator's process."""

import asyncio
import sys

from pydantic import ValidationError
from pydantic_settings import SettingsError as UnreadableSettingError

from kafkaml.logging import configure_logging
from kafkaml.signals import stop_on_signals
from orchestrator.config import Settings
from orchestrator.exceptions import OrchestratorError, SettingsError
from orchestrator.factory import build


async def run(settings: Settings) -> None:
    """Orchestrate until SIGTERM or SIGINT."""
    async with build(settings) as orchestrator:
        stop_on_signals(orchestrator.stop)
        await orchestrator.run()


def read_settings() -> Settings:
    """Read the environment; raise `SettingsError` that names the variables at fault."""
    try:
        return Settings()
    except ValidationError as e:
        problems = [
            f"KAFKA_ML_{'.'.join(map(str, each['loc'])).upper()}: {each['msg']}"
            for each in e.errors(include_url=False, include_input=False)
        ]
        raise SettingsError("\n".join(problems)) from e
    except UnreadableSettingError as e:
        # Of a list or a map, which are written as JSON.
        raise SettingsError(f"{e}: {e.__cause__}") from e


def main() -> None:
    """Run the orchestrator with the settings of the environment."""
    try:
        settings = read_settings()
        configure_logging(settings)
        asyncio.run(run(settings))
    except OrchestratorError as e:
        sys.exit(str(e))


if __name__ == "__main__":
    main()
