"""What becomes of bad records: the training fails, or goes on without them."""

from collections.abc import Mapping

from kafkaml.schemas.deployments import BadRecords
from kafkaml.schemas.results import SkippedRecord, SkippedRecords
from kafkaml.schemas.states import FailureReason
from trainer.data.stream import RecordBatch
from trainer.exceptions import StreamError

MAX_NAMED = 10


class BadRecordLog:
    """Counts bad records and names the first; raises StreamError if there may be none.

    `at_most` is how many records there can be in all.
    """

    def __init__(self, wanted: BadRecords, *, at_most: int) -> None:
        self._wanted = wanted
        self._at_most = at_most
        self._first: list[SkippedRecord] = []
        self._count = 0

    def add(self, batch: RecordBatch, reasons: Mapping[int, str]) -> None:
        """Count the records of a batch that are bad, by place, and why they are."""
        for place in sorted(reasons)[: MAX_NAMED - len(self._first)]:
            source, offset = batch.source, batch.offsets[place]
            where = f"{source.topic}:{source.partition}:{offset}"
            self._first.append(SkippedRecord(coordinates=where, reason=reasons[place]))
        self._count += len(reasons)
        if self._wanted.action == "fail":
            more = len(reasons) - 1
            of = len(batch.offsets)
            others = f" ({more} more of {of} are bad, too)" if more else ""
            raise _bad_stream(
                f"{self._named}{others}: is input_config that of the stream? Send the "
                "records again, or leave bad ones out (bad_records)"
            )
        self._check_rate(self._at_most)

    def summary(self, read: int) -> SkippedRecords | None:
        """Return what was left out of the records that were read; None if nothing was.

        Raise StreamError if that is too much.
        """
        if not self._count:
            return None
        self._check_rate(read)
        return SkippedRecords(count=self._count, rate=self._count / read, first=self._first)

    @property
    def _named(self) -> str:
        first = self._first[0]
        return f"record {first.coordinates}: {first.reason}"

    def _check_rate(self, read: int) -> None:
        if self._count > self._wanted.max_rate * read:
            raise _bad_stream(
                f"{self._count} of {read} records are bad, bad_records.max_rate allows "
                f"{self._wanted.max_rate:.4g} of them. {self._named}"
            )


def _bad_stream(message: str) -> StreamError:
    return StreamError(FailureReason.BAD_STREAM, message)
