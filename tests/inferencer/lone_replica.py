"""A replica to be killed: `python -m … <order.json> <seconds per batch>`."""

import signal
import sys
import threading
from pathlib import Path

from inferencer.config import InferencerSettings
from inferencer.main import run
from inferencer.testing import MemoryAttempts, SumEngineLoader
from kafkaml.logging import configure_logging
from kafkaml.schemas.attempts import Order


def main() -> None:
    settings = InferencerSettings()
    configure_logging(settings)
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    order = Order.model_validate_json(Path(sys.argv[1]).read_bytes())
    code = run(
        settings=settings,
        attempts=MemoryAttempts(order=order),
        loader=SumEngineLoader(seconds_per_batch=float(sys.argv[2])),
        stop=stop,
    )
    sys.exit(code)


if __name__ == "__main__":
    main()
