"""What is measured of each request, and what happens if one breaks."""

import time

import structlog
from prometheus_client import CollectorRegistry, Counter, Histogram
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.exceptions import InternalError
from api.problems import problem_response

UNKNOWN_ROUTE = "(none)"
NO_ANSWER = 499

logger = structlog.get_logger(__name__)


class RequestMetrics:
    """Counts requests and their time, by the template of their route."""

    def __init__(self, *, registry: CollectorRegistry) -> None:
        self.registry = registry
        labels = ("method", "route")
        self._count = Counter(
            "kafkaml_api_requests",
            "Requests that were answered",
            (*labels, "status"),
            registry=registry,
        )
        self._seconds = Histogram(
            "kafkaml_api_request_seconds",
            "Time from a request to the end of its answer",
            labels,
            registry=registry,
        )

    def observe(self, *, method: str, route: str, status: int, seconds: float) -> None:
        """Note one answer; `route` is a template, so that there are few of them."""
        self._count.labels(method, route, status).inc()
        self._seconds.labels(method, route).observe(seconds)


class Observer:
    """Measures requests, and answers for routes that break."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status = NO_ANSWER
        started = time.perf_counter()

        async def watch(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, watch)
        except ClientDisconnect:
            logger.info("caller_left", method=scope["method"], path=scope["path"])
        except Exception:
            if status != NO_ANSWER:
                raise
            logger.exception("request_broke", method=scope["method"], path=scope["path"])
            answer = problem_response(InternalError(), path=scope["path"])
            await answer(scope, receive, watch)
        finally:
            _observe(scope, status=status, seconds=time.perf_counter() - started)


def _observe(scope: Scope, *, status: int, seconds: float) -> None:
    state = scope["app"].state
    route = state.templates.get(id(scope.get("route")), UNKNOWN_ROUTE)
    method = scope["method"] if route != UNKNOWN_ROUTE else "*"
    metrics: RequestMetrics = state.components.metrics
    metrics.observe(method=method, route=route, status=status, seconds=seconds)
