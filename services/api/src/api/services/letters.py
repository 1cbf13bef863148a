"""Dead letters as inferencers write them."""

import base64
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Self

from aiokafka import ConsumerRecord

from api.storage.outbox_writer import Headers
from api.storage.sent_letters import RecordKey
from api.tables.outbox_record import MAX_VALUE_BYTES
from kafkaml.control import MAX_ID
from kafkaml.schemas.dead_letters import (
    Content,
    DeadLetter,
    LetterFilter,
    LetterHeader,
    RecordPlace,
)

ERROR_PREFIX = "__kafkaml.errors."
SENT_HEADER = "kafkaml-resent"

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MAX_TIMESTAMP_MS = 253_402_300_799_999  # the last moment of the year 9999
_MAX_PARTITION = 2**31 - 1
_HEADERS_SHOWN = 100


@dataclass(frozen=True, slots=True)
class Letter:
    """A record without an answer, and what is said about it."""

    topic: str
    partition: int
    offset: int
    source: RecordPlace
    stage: str
    reason: str
    message: str
    omitted: str | None
    timestamp_ms: int
    key: bytes | None
    value: bytes | None
    headers: Headers

    @classmethod
    def from_record(cls, record: ConsumerRecord) -> Self:
        """Read a record of a dead letter topic; raise ValueError if it is no letter."""
        facts = {
            name.removeprefix(ERROR_PREFIX): (content or b"").decode(errors="replace")
            for name, content in record.headers
            if name.startswith(ERROR_PREFIX)
        }
        try:
            source = RecordPlace(
                topic=facts["topic"],
                partition=int(facts["partition"]),
                offset=int(facts["offset"]),
            )
        except KeyError as e:
            raise ValueError(f"the record has no header {ERROR_PREFIX}{e.args[0]}") from e
        if not (0 <= source.partition <= _MAX_PARTITION and 0 <= source.offset <= MAX_ID):
            raise ValueError("the record has no place")
        return cls(
            topic=record.topic,
            partition=record.partition,
            offset=record.offset,
            source=source,
            stage=facts.get("stage", ""),
            reason=facts.get("class.name", ""),
            message=facts.get("message", ""),
            omitted=facts.get("omitted"),
            timestamp_ms=record.timestamp,
            key=record.key,
            value=record.value,
            headers=[
                (name, content)
                for name, content in record.headers
                if not name.startswith(ERROR_PREFIX)
            ],
        )

    @property
    def record_key(self) -> RecordKey:
        """What tells its record from all others of the input topic, at all times."""
        return self.source.partition, self.source.offset, self.timestamp_ms

    @property
    def size_bytes(self) -> int:
        """What it takes to keep it."""
        parts = (self.key, self.value, *(content for _, content in self.headers))
        return sum(len(each) for each in parts if each is not None)

    @property
    def timestamp(self) -> datetime | None:
        """The time of the record, if it has one that a calendar knows."""
        if not 0 <= self.timestamp_ms <= _MAX_TIMESTAMP_MS:
            return None
        return _EPOCH + timedelta(milliseconds=self.timestamp_ms)

    @property
    def hindrance(self) -> str | None:
        """Why it cannot be sent again, if it cannot."""
        if self.omitted is not None:
            return (
                "the dead letter was too large for its topic and holds only its place: "
                "read the record there and send it yourself"
            )
        if self.size_bytes > MAX_VALUE_BYTES:
            return f"it has {self.size_bytes} bytes, of {MAX_VALUE_BYTES} at most"
        if any("\x00" in name for name, _ in self.headers):
            return "the name of a header holds a NUL character"
        return None

    def sent_headers(self) -> Headers:
        """Return the headers of the record that is sent in its place."""
        place = f"{self.topic}/{self.partition}/{self.offset}"
        kept = [each for each in self.headers if each[0] != SENT_HEADER]
        return [*kept, (SENT_HEADER, place.encode())]

    def fits(self, wanted: LetterFilter) -> bool:
        """Say whether a filter lets it pass; one without a time has no place in time."""
        time = self.timestamp
        return (
            wanted.stage in {None, self.stage}
            and wanted.reason in {None, self.reason}
            and (wanted.since is None or (time is not None and time >= wanted.since))
            and (wanted.until is None or (time is not None and time < wanted.until))
        )

    def to_resource(self, *, most_bytes: int, sent_at: datetime | None) -> DeadLetter:
        """Return it with at most so many bytes of key, value and each header."""
        shown = self.headers[:_HEADERS_SHOWN]
        return DeadLetter(
            partition=self.partition,
            offset=self.offset,
            source=self.source,
            stage=self.stage,
            reason=self.reason,
            message=self.message,
            timestamp=self.timestamp,
            key=_content(self.key, most_bytes),
            value=_content(self.value, most_bytes),
            headers=[
                LetterHeader(name=name, value=_content(content, most_bytes))
                for name, content in shown
            ],
            headers_left_out=len(self.headers) - len(shown),
            omitted=self.omitted,
            sent_at=sent_at,
        )


def _content(whole: bytes | None, most_bytes: int) -> Content | None:
    if whole is None:
        return None
    part = whole[:most_bytes]
    return Content(
        size_bytes=len(whole),
        base64=base64.b64encode(part).decode(),
        text=_text(part, is_cut=len(part) < len(whole)),
        is_cut=len(part) < len(whole),
    )


def _text(part: bytes, *, is_cut: bool) -> str | None:
    """Return bytes as text; a cut may go through a character, of four bytes at most."""
    for end in range(len(part), max(len(part) - 4 * is_cut, 0) - 1, -1):
        try:
            return part[:end].decode()
        except UnicodeDecodeError:
            continue
    return None
