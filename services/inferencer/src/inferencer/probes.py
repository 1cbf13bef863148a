"""Probes and metrics, for Kubernetes and Prometheus."""

from http import HTTPStatus

from prometheus_client import generate_latest

from inferencer.health import Health
from inferencer.metrics import Metrics
from inferencer.rest.messages import HttpAnswer


class Probes:
    """Answers /healthz, /readyz and /metrics."""

    def __init__(self, *, health: Health, metrics: Metrics) -> None:
        self._health = health
        self._metrics = metrics

    def answer(self, path: str) -> HttpAnswer:
        """Return the answer to a path."""
        match path:
            case "/healthz" if self._health.is_alive:
                return HttpAnswer.text(HTTPStatus.OK, b"the loop turns\n")
            case "/healthz":
                return HttpAnswer.text(
                    HTTPStatus.SERVICE_UNAVAILABLE, b"the loop is stuck\n"
                )
            case "/readyz":
                return self._readiness()
            case "/metrics":
                text = generate_latest(self._metrics.registry)
                return HttpAnswer.text(HTTPStatus.OK, text)
        return HttpAnswer.text(
            HTTPStatus.NOT_FOUND, b"there are /healthz, /readyz, /metrics and /v2\n"
        )

    def _readiness(self) -> HttpAnswer:
        trouble = self._health.trouble
        if trouble is None:
            return HttpAnswer.text(HTTPStatus.OK, b"serving\n")
        return HttpAnswer.text(HTTPStatus.SERVICE_UNAVAILABLE, trouble.encode() + b"\n")
