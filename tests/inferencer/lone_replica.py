"""A replica to be killed: `python -m … <order.json> <seconds per batch>`.

It dies of a record that holds `DEADLY`, and never gets done with one that holds `ENDLESS`.
"""

import os
import signal
import sys
import threading
import time
from pathlib import Path

from inferencer.config import InferencerSettings
from inferencer.engines.base import ArtifactSource, LoadedEngine
from inferencer.main import run
from inferencer.testing import MemoryAttempts, SumEngine, SumEngineLoader
from kafkaml.logging import configure_logging
from kafkaml.records.base import Array
from kafkaml.schemas.attempts import InferenceOrder, Order

DEADLY = -1000.0
ENDLESS = -2000.0


class MortalEngine(SumEngine):
    """Does what native code can do to a process."""

    def predict(self, batch: Array) -> Array:
        if (batch == DEADLY).any():
            os.kill(os.getpid(), signal.SIGKILL)
        while (batch == ENDLESS).any():
            time.sleep(1)
        return super().predict(batch)


class MortalEngineLoader(SumEngineLoader):
    """Makes mortal engines."""

    def __init__(self, *, seconds_per_batch: float) -> None:
        super().__init__(seconds_per_batch=seconds_per_batch)
        self._seconds = seconds_per_batch

    def load(self, order: InferenceOrder, source: ArtifactSource) -> LoadedEngine:
        super().load(order, source)
        shape = tuple(order.input_shape)
        engine = MortalEngine(input_shape=shape, seconds_per_batch=self._seconds)
        return LoadedEngine(engine=engine)


def main() -> None:
    settings = InferencerSettings()
    configure_logging(settings)
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    order = Order.model_validate_json(Path(sys.argv[1]).read_bytes())
    code = run(
        settings=settings,
        attempts=MemoryAttempts(order=order),
        loader=MortalEngineLoader(seconds_per_batch=float(sys.argv[2])),
        stop=stop,
    )
    sys.exit(code)


if __name__ == "__main__":
    main()
