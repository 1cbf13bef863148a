"""Replicas in threads, on a real broker, with an engine that needs no TensorFlow."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from inferencer.config import InferencerSettings
from inferencer.engines.base import Engine
from inferencer.engines.early_exit import EarlyExitEngine
from inferencer.factory import Replica, build_replica
from inferencer.models import Engines
from inferencer.report import Reporter
from inferencer.testing import MemoryAttempts, SumEngine
from kafkaml.schemas.attempts import InferenceOrder

from .orders import order_of

POISON = -666.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningReplica:
    replica: Replica
    engine: SumEngine
    attempts: MemoryAttempts
    stop: threading.Event
    thread: threading.Thread

    def end(self) -> None:
        """Tell it to stop and wait until it left the group."""
        self.stop.set()
        self.thread.join(timeout=30)
        assert not self.thread.is_alive()
        self.replica.model.close()


def start_replica(
    bootstrap_servers: str,
    order: InferenceOrder,
    *,
    seconds_per_batch: float = 0.0,
    seconds_per_record: float = 0.0,
    canary: Engine | None = None,
    shadow: Engine | None = None,
    **settings: object,
) -> RunningReplica:
    """Start a replica; end it yourself or use `running_replica`."""
    engine = SumEngine(
        input_shape=tuple(order.input_shape),
        poison=POISON,
        seconds_per_batch=seconds_per_batch,
        seconds_per_record=seconds_per_record,
    )
    served: Engine = engine
    if order.early_exit is not None:
        served = EarlyExitEngine(engine=engine, answer_width=1)
    stop = threading.Event()
    attempts = MemoryAttempts(order=order_of(order))
    replica = build_replica(
        settings=InferencerSettings.model_validate(
            {"bootstrap_servers": bootstrap_servers, "delivery_seconds": 5.0} | settings
        ),
        order=order,
        engines=Engines(primary=served, canary=canary, shadow=shadow),
        reporter=Reporter(attempts=attempts, replica=0, stop=stop),
        key="nobody knows it",
    )
    thread = threading.Thread(target=replica.stream.run, args=(order.input_topic, stop))
    thread.start()
    return RunningReplica(
        replica=replica, engine=engine, attempts=attempts, stop=stop, thread=thread
    )


@contextmanager
def running_replica(
    bootstrap_servers: str,
    order: InferenceOrder,
    *,
    seconds_per_batch: float = 0.0,
    seconds_per_record: float = 0.0,
    canary: Engine | None = None,
    shadow: Engine | None = None,
    **settings: object,
) -> Iterator[RunningReplica]:
    """Run a replica meanwhile."""
    running = start_replica(
        bootstrap_servers,
        order,
        seconds_per_batch=seconds_per_batch,
        seconds_per_record=seconds_per_record,
        canary=canary,
        shadow=shadow,
        **settings,
    )
    try:
        yield running
    finally:
        running.end()
