"""The client of a schema registry: Confluent's HTTP interface, as far as it is needed."""

import random
import time
from typing import Any
from urllib.parse import quote

from kafkaml.config import KafkaSettings
from kafkaml.exceptions import CodecUnavailableError, FormatError, KafkaMLError

MAX_KNOWN = 10_000
UNKNOWN_SECONDS = 60.0
REQUEST_SECONDS = 5.0
PAUSE_SECONDS = (0.1, 2.0)
_LATER = {408, 425, 429, *range(500, 600)}
_TYPE = "application/vnd.schemaregistry.v1+json"


class UnknownSchemaError(KafkaMLError):
    """The registry has no schema of this id, or one that is of no use here."""


class SchemaRegistry:
    """Asks the registry that the settings name, and no other; remembers what it said.

    A registry that is away is asked again for `patience` seconds. Not for several threads.
    """

    def __init__(self, settings: KafkaSettings, *, patience: float = 30.0) -> None:
        self._settings = settings
        self._patience = patience
        self._client: Any = None
        self._schemas: dict[int, str] = {}
        self._unknown: dict[int, float] = {}

    def schema(self, schema_id: int) -> str:
        """Return the text of a schema; raise UnknownSchemaError if there is none.

        Raises CodecUnavailableError if the registry does not answer in time.
        """
        if schema_id in self._schemas:
            return self._schemas[schema_id]
        if self._unknown.get(schema_id, 0) > time.monotonic():
            raise UnknownSchemaError(f"the registry has no schema {schema_id}")
        found = self._answer("GET", f"/schemas/ids/{schema_id}")
        if found is None:
            _remember(self._unknown, schema_id, time.monotonic() + UNKNOWN_SECONDS)
            raise UnknownSchemaError(f"the registry has no schema {schema_id}")
        text = _avro_text(found, schema_id)
        _remember(self._schemas, schema_id, text)
        return text

    def register(self, subject: str, schema: str) -> int:
        """Return the id of a schema, which is made a version of `subject` if it is new.

        Raises FormatError if the registry refuses it, CodecUnavailableError as above.
        """
        path = f"/subjects/{quote(subject, safe='')}/versions"
        found = self._answer("POST", path, {"schema": schema})
        schema_id = (found or {}).get("id")
        if type(schema_id) is not int:
            raise FormatError(f"the schema registry gave no id to the schema of {subject}")
        return schema_id

    def close(self) -> None:
        if self._client is not None:
            self._client.close()
            self._client = None

    def _answer(
        self, method: str, path: str, content: dict[str, Any] | None = None
    ) -> dict[str, Any] | None:
        """Return the JSON of an answer, None for what is not there."""
        deadline = time.monotonic() + self._patience
        low, high = PAUSE_SECONDS
        while True:
            answer, problem = self._ask(method, path, content)
            if answer is not None and answer.status_code not in _LATER:
                return self._read(answer)
            pause = random.uniform(low / 2, low)  # noqa: S311  # only to spread calls
            if time.monotonic() + pause > deadline:
                raise CodecUnavailableError(f"the schema registry is away: {problem}")
            time.sleep(pause)
            low = min(high, 2 * low)

    def _ask(
        self, method: str, path: str, content: dict[str, Any] | None
    ) -> tuple[Any, str]:
        """Return the answer, or None, and what went wrong if anything did."""
        import httpx

        try:
            answer = self._connected().request(method, path, json=content)
        except httpx.TransportError as e:
            return None, f"{type(e).__name__}: {e!s:.200}"
        return answer, f"it answers {answer.status_code}"

    def _read(self, answer: Any) -> dict[str, Any] | None:
        if answer.status_code == 404:
            return None
        try:
            content = answer.json()
        except ValueError:
            content = None
        said = content.get("message") if isinstance(content, dict) else None
        if answer.status_code in {409, 422}:
            raise FormatError(f"the schema registry refuses the schema: {said!s:.300}")
        if answer.status_code != 200 or not isinstance(content, dict):
            raise CodecUnavailableError(
                f"the schema registry answers {answer.status_code}: {said!s:.300}"
            )
        return content

    def _connected(self) -> Any:
        """Return the HTTP client; it follows no redirection to another place."""
        if self._client is None:
            self._client = _client(self._settings)
        return self._client


def _client(settings: KafkaSettings) -> Any:
    import httpx

    if not settings.schema_registry_url:
        raise CodecUnavailableError(
            "the records are in Confluent's wire format, but no schema registry is set: "
            "give KAFKA_ML_SCHEMA_REGISTRY_URL to the platform"
        )
    password = settings.schema_registry_password
    user = settings.schema_registry_username
    return httpx.Client(
        base_url=settings.schema_registry_url,
        headers={"Accept": _TYPE, "Content-Type": _TYPE},
        auth=(user, password.get_secret_value()) if user and password else None,
        verify=_trusted(settings),
        timeout=REQUEST_SECONDS,
        trust_env=False,
    )


def _trusted(settings: KafkaSettings) -> Any:
    """Return what certificates are checked by; without TLS there is nothing to check."""
    import ssl

    if not (settings.schema_registry_url or "").startswith("https:"):
        return False
    return ssl.create_default_context(cafile=settings.schema_registry_ca_location or None)


def _avro_text(found: dict[str, Any], schema_id: int) -> str:
    text = found.get("schema")
    if found.get("schemaType", "AVRO") != "AVRO" or not isinstance(text, str):
        raise UnknownSchemaError(f"schema {schema_id} of the registry is not one of Avro")
    if found.get("references"):
        raise UnknownSchemaError(
            f"schema {schema_id} refers to other schemas, which is not supported: "
            "register it with these in it"
        )
    return text


def _remember(known: dict[int, Any], schema_id: int, what: object) -> None:
    if len(known) >= MAX_KNOWN:
        known.clear()
    known[schema_id] = what
