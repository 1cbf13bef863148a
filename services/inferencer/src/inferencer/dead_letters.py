"""Dead letters: records without an answer, with the reason."""

from collections.abc import Mapping
from typing import Literal

from inferencer.record import Headers, Record, Reply, headers_of

Stage = Literal["decode", "predict", "deliver"]

ERROR_PREFIX = "__kafkaml.errors."
INBOUND_ERROR_PREFIX = "kafkaml-inbound-errors."
MAX_REASON_CHARACTERS = 2000


class DeadLetterWriter:
    """Writes the dead letters of one inference.

    `written` counts them, also those that Kafka then does not keep; `newest` says for
    people why the last one was written.
    """

    def __init__(self, *, topic: str) -> None:
        self.topic = topic
        self.written = 0
        self.newest = ""

    def write(self, record: Record, *, stage: Stage, error: str, reason: str) -> Reply:
        """Return `record` as it came, with headers that say where and why it failed.

        `error` is the name of the kind of error, `reason` a text for people.
        """
        self.written += 1
        self.newest = f"{stage}, {error}: {reason[:MAX_REASON_CHARACTERS]}"
        kind, milliseconds = record.timestamp()
        headers = kept_headers(headers_of(record))
        headers.extend(error_headers(record, stage=stage, error=error, reason=reason))
        return Reply(
            self.topic,
            record.key(),
            record.value(),
            headers,
            record,
            timestamp_ms=max(milliseconds, 0) if kind else 0,
        )

    def shorten(self, letter: Reply, *, reason: str) -> Reply:
        """Return a letter that Kafka refused without all that it may be refused for.

        The record itself stays where its coordinates say.
        """
        errors = [each for each in letter.headers if each[0].startswith(ERROR_PREFIX)]
        errors.append(
            (f"{ERROR_PREFIX}omitted", f"key, value and headers: {reason}".encode())
        )
        return letter._replace(key=None, value=None, headers=errors, timestamp_ms=0)


def error_headers(record: Record, *, stage: Stage, error: str, reason: str) -> Headers:
    """Return what a dead letter says about the failure."""
    facts: Mapping[str, object] = {
        "topic": record.topic(),
        "partition": record.partition(),
        "offset": record.offset(),
        "stage": stage,
        "class.name": error,
        "message": reason[:MAX_REASON_CHARACTERS],
    }
    return [
        (ERROR_PREFIX + name, str(fact).encode(errors="replace"))
        for name, fact in facts.items()
    ]


def kept_headers(headers: Headers) -> Headers:
    """Return a request's headers; what looks like our own finding is renamed."""
    return [
        (name.replace(ERROR_PREFIX, INBOUND_ERROR_PREFIX, 1), value)
        if name.startswith(ERROR_PREFIX)
        else (name, value)
        for name, value in headers
    ]
