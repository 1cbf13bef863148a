"""Entry point of one replica of one inference."""

import signal
import sys
import threading
from datetime import timedelta

import structlog

from inferencer.addresses import announced, make_key
from inferencer.config import InferencerSettings
from inferencer.engines.base import EngineLoader
from inferencer.engines.ladder import EngineLadder
from inferencer.exceptions import (
    AttemptOverError,
    AttemptRefusedError,
    KafkaClientLostError,
    UnusableOrderError,
)
from inferencer.factory import Replica, build_replica
from inferencer.garbage import collect_rarely
from inferencer.model_change import ModelChange
from inferencer.models import load_engines
from inferencer.order_watch import OrderWatch
from inferencer.profile_watch import ProfileWatch
from inferencer.report import Attempts, Reporter
from inferencer.rest.server import http_server
from inferencer.statistics_report import StatisticsReporter
from inferencer.watchdog import Watchdog
from kafkaml.client import Client
from kafkaml.exceptions import ClientError
from kafkaml.logging import configure_logging
from kafkaml.schemas.attempts import InferenceOrder
from kafkaml.schemas.states import ExitCode

log = structlog.get_logger()

# Short, because the reporter tries again and, unlike the client, hears SIGTERM meanwhile.
CLIENT_RETRIES = timedelta(seconds=1)


def main() -> None:
    """Serve until SIGTERM; the exit code says why the replica ended."""
    settings = InferencerSettings()
    configure_logging(settings)
    stop = threading.Event()
    for each in (signal.SIGTERM, signal.SIGINT):
        signal.signal(each, lambda *_: stop.set())
    loader = EngineLadder.of(settings)
    with Client(retry_for=CLIENT_RETRIES) as client:
        code = run(settings=settings, attempts=client.attempts, loader=loader, stop=stop)
    log.info("replica ends", exit_code=code)
    sys.exit(code)


def run(
    *,
    settings: InferencerSettings,
    attempts: Attempts,
    loader: EngineLoader,
    stop: threading.Event,
) -> int:
    """Serve the order of `attempts` until `stop` is set; return the exit code."""
    reporter = Reporter(attempts=attempts, replica=settings.replica, stop=stop)
    try:
        serve(settings=settings, reporter=reporter, loader=loader, stop=stop)
    except AttemptOverError as e:
        log.info("the attempt is over", reason=str(e))
    except UnusableOrderError as e:
        log.error("the inference cannot be served", reason=e.reason, error=str(e))  # noqa: TRY400 (the text says it all)
        return _failed(reporter, e)
    except (AttemptRefusedError, KafkaClientLostError, ClientError) as e:
        log.error("the replica cannot go on", error=str(e))  # noqa: TRY400 (the text says it all)
        return ExitCode.RETRYABLE
    return ExitCode.DRAINED


def serve(
    *,
    settings: InferencerSettings,
    reporter: Reporter,
    loader: EngineLoader,
    stop: threading.Event,
) -> None:
    """Load the models and answer records until told to stop."""
    key = make_key()
    order, replica = _prepare(settings=settings, reporter=reporter, loader=loader, key=key)
    change = ModelChange(
        model=replica.model, builder=replica.builder, loader=loader, reporter=reporter
    )
    profile = ProfileWatch(source=reporter, drift=replica.drift)
    statistics = StatisticsReporter(
        reporter=reporter,
        metrics=replica.metrics,
        drift=replica.drift,
        model=replica.model,
        replica=settings.replica,
    )
    watch = OrderWatch(
        reporter=reporter,
        seconds=settings.order_seconds,
        listeners=[replica.brake.heed, change.heed, profile.heed],
    )
    with (
        http_server(
            host=settings.probe_host, port=settings.probe_port, routes=replica.routes
        ) as port,
        announced(host=settings.advertised_host, port=port, key=key, reporter=reporter),
        watch.running(),
        statistics.running(),
        Watchdog(health=replica.health).running(),
    ):
        profile.heed(order)
        collect_rarely()
        replica.stream.run(order.input_topic, stop)
    replica.model.close()
    if reporter.over:
        raise reporter.over


def _prepare(
    *, settings: InferencerSettings, reporter: Reporter, loader: EngineLoader, key: str
) -> tuple[InferenceOrder, Replica]:
    """Return a replica with warm models; raise UnusableOrderError if there can be none.

    Models that cannot be served may be taken back for the ones before, which then are.
    """
    order = reporter.inference_order()
    while True:
        try:
            engines = load_engines(order, loader=loader, source=reporter)
            replica = build_replica(
                settings=settings, order=order, engines=engines, reporter=reporter, key=key
            )
        except UnusableOrderError as e:
            order = _order_instead(reporter, order, e)
        else:
            log.info("models loaded", revision=order.revision, version=order.model_version)
            reporter.uses(engines.report, revision=order.revision)
            return order, replica


def _order_instead(
    reporter: Reporter, order: InferenceOrder, error: UnusableOrderError
) -> InferenceOrder:
    """Return the order of now, if it is for other models than those that failed."""
    if order.revision > 1:
        reporter.refuses(order.revision, str(error))
    newest = reporter.inference_order()
    if newest.revision == order.revision:
        raise error
    log.error("other models are tried", revision=newest.revision, error=str(error))
    return newest


def _failed(reporter: Reporter, error: UnusableOrderError) -> int:
    try:
        reporter.failed(error)
    except AttemptOverError:
        return ExitCode.DRAINED
    except AttemptRefusedError as e:
        log.error("the failure was not accepted", error=str(e))  # noqa: TRY400 (the text says it all)
    return error.exit_code


if __name__ == "__main__":
    main()
