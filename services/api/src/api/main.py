"""The process: serves until SIGTERM or SIGINT, then ends its streams and leaves."""

import gc
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import structlog
import uvicorn

from api.components import Components
from api.config import ApiSettings
from api.factory import create_app
from kafkaml.config import LogSettings
from kafkaml.logging import configure_logging
from kafkaml.signals import stop_on_signals

logger = structlog.get_logger(__name__)


class Server(uvicorn.Server):
    """Ends gracefully on the first signal; further ones change nothing."""

    def __init__(self, *, config: uvicorn.Config, components: Components) -> None:
        super().__init__(config)
        self._components = components

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        stop_on_signals(self.stop)
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start; to be told to end before all is ready is no failure."""
        try:
            await super().startup(sockets)
        except SystemExit:
            if not self._components.stopping.is_set():
                raise

    def stop(self) -> None:
        """Take no more requests, end the streams, leave when the others are answered."""
        if not self._components.stopping.is_set():
            logger.info("stopping")
        self._components.stopping.set()
        self.should_exit = True
        self._components.event_stream.end_streams()


def main() -> None:
    """Run the API."""
    configure_logging(LogSettings())
    settings = ApiSettings()
    app = create_app(settings)
    config = uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=round(settings.shutdown_grace.total_seconds()),
    )
    components: Components = app.state.components
    # What is here by now stays; to look through it again and again would cost 0.1 s a time.
    gc.freeze()
    Server(config=config, components=components).run()


if __name__ == "__main__":
    main()
