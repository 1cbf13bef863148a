"""Better models on their way from the model's process to the API."""

from contextlib import suppress
from pathlib import Path
from threading import Condition, Event, Thread
from types import TracebackType
from typing import Self

import structlog

from kafkaml.schemas.incremental import ImprovementReport
from trainer.checkpoints.transfer import UntrustedFile
from trainer.exceptions import AttemptOverError
from trainer.messages import IMPROVED_FILE
from trainer.results.reporter import Reporter

END_SECONDS = 60.0

logger = structlog.get_logger()


class ImprovementSender:
    """Publishes better models beside the training, one at a time.

    Leaving the context gives up the upload that is under way: the result has the model.
    """

    def __init__(self, reporter: Reporter, *, directory: Path) -> None:
        self._reporter = reporter
        self._path = directory / IMPROVED_FILE
        self._changed = Condition()
        self._waiting: ImprovementReport | None = None
        self._closing = Event()
        self._thread = Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with self._changed:
            self._closing.set()
            self._changed.notify_all()
        # An artifact that arrived after that of the result would take its place.
        self._thread.join(END_SECONDS)

    def send(self, report: ImprovementReport) -> None:
        """Publish the file that was written, later; its digest is filled in."""
        with self._changed:
            self._waiting = report
            self._changed.notify_all()

    def _run(self) -> None:
        while (report := self._next()) is not None:
            self._send(report)

    def _next(self) -> ImprovementReport | None:
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closing.is_set())
            report, self._waiting = self._waiting, None
            return None if self._closing.is_set() else report

    def _send(self, report: ImprovementReport) -> None:
        try:
            with UntrustedFile(self._path, closing=self._closing) as file:
                self._reporter.improvement(file, report)
        except AttemptOverError:
            logger.info("the attempt is over: nothing more is published")
        except Exception as e:  # noqa: BLE001  # whatever it is, the training goes on
            if not self._closing.is_set():
                logger.warning("a better model was not published", reason=str(e))
        else:
            logger.info("model published", epoch=report.epoch, values=report.values)
        finally:
            with suppress(OSError):
                self._path.unlink()  # the next one may be written now
