"""The Python client of Kafka-ML: `Client` for scripts, `AsyncClient` for services.

>>> with Client() as client:
...     model = client.models.create(name="digits", source=source)
...     model = client.models.wait_checked(model.id)

Both have the same groups and methods. They raise errors of `kafkaml.exceptions` only:
ProblemError if the API refuses, ApiUnavailableError if it does not answer in time,
WaitTimeoutError and WaitFailedError from methods that wait, and ClientError, their base,
for an answer that makes no sense.
"""

from kafkaml.client._async.client import AsyncClient
from kafkaml.client._sync.client import Client
from kafkaml.client._watching import WatchedEvent

__all__ = ["AsyncClient", "Client", "WatchedEvent"]
