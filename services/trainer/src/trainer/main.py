"""The process of the trainer: one order, then an exit code that says how it ended.

0 the outcome was accepted, 3 the model failed, 4 the stream failed, 5 the platform failed
and another attempt may do better, 143 stopped from outside. A spare (see `trainer.spare`)
that gets no order ends with 75.
"""

import signal
import sys
from argparse import ArgumentParser
from datetime import timedelta
from types import FrameType
from typing import NoReturn

from kafkaml.client import Client
from kafkaml.config import KafkaSettings, LogSettings
from kafkaml.logging import configure_logging
from kafkaml.schemas.states import ExitCode
from trainer.config import TrainerSettings
from trainer.run import run
from trainer.sandbox.protection import hide_process
from trainer.spare import wait_for_order


def main() -> None:
    """Do the order of the attempt whose token is in the environment."""
    end_on_sigterm()
    hide_process()
    spare_seconds = _spare_seconds()
    standby = None if spare_seconds is None else wait_for_order(spare_seconds)
    configure_logging(LogSettings())
    settings = TrainerSettings()
    patience = timedelta(seconds=settings.api_patience_seconds)
    with Client(retry_for=patience) as client:
        code = run(
            attempts=client.attempts,
            settings=settings,
            kafka=KafkaSettings(),
            standby=standby,
        )
    sys.exit(code)


def _spare_seconds() -> float | None:
    parser = ArgumentParser(description="Do one attempt of one training, or one check.")
    parser.add_argument(
        "--spare",
        type=float,
        metavar="SECONDS",
        help="wait for the attempt at standard input, with TensorFlow loaded",
    )
    seconds: float | None = parser.parse_args().spare
    return seconds


def end_on_sigterm() -> None:
    """Leave by SystemExit on SIGTERM, so that all that was opened is closed, once."""
    signal.signal(signal.SIGTERM, _end)


def _end(number: int, frame: FrameType | None) -> NoReturn:
    del frame
    signal.signal(number, signal.SIG_IGN)
    raise SystemExit(ExitCode.DRAINED)


if __name__ == "__main__":
    main()
