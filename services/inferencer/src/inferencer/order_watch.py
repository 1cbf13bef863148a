"""What is wanted of a replica while it serves."""

import random
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import structlog

from inferencer.exceptions import AttemptOverError, AttemptRefusedError
from inferencer.report import Reporter
from kafkaml.exceptions import ClientError
from kafkaml.schemas.attempts import InferenceOrder

log = structlog.get_logger()

Listener = Callable[[InferenceOrder], None]


class OrderWatch:
    """Asks for the order every few seconds and hands it to those who follow it.

    An attempt that is over ends the replica.
    """

    def __init__(
        self, *, reporter: Reporter, seconds: float, listeners: Sequence[Listener]
    ) -> None:
        """Call `listeners` on the watch's thread; they must return soon."""
        self._reporter = reporter
        self._seconds = seconds
        self._listeners = listeners

    @contextmanager
    def running(self) -> Iterator[None]:
        """Watch meanwhile."""
        done = threading.Event()
        thread = threading.Thread(target=self._run, args=(done,), name="order", daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()

    def _run(self, done: threading.Event) -> None:
        # At random, so that the replicas of an inference do not ask all at once.
        while not done.wait(self._seconds * random.uniform(0.75, 1.25)):  # noqa: S311
            try:
                order = self._reporter.order().inference
            except (AttemptOverError, AttemptRefusedError) as e:
                if not done.is_set():
                    self._reporter.end(e)
                return
            except ClientError as e:
                log.warning("the order is not known", error=str(e))
                continue
            if order is not None:
                for listener in self._listeners:
                    listener(order)
