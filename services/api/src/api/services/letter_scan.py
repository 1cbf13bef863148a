"""Walking over dead letters by their time."""

from collections import deque
from collections.abc import Mapping

from aiokafka import ConsumerRecord

from api.services.dead_letter_log import LetterReader
from api.services.letter_ranges import LetterRanges, OffsetRange

_FIRST_CHUNK = 8
_LARGEST_CHUNK = 512
_SMALL_CHUNK_BYTES = 256 * 1024


class LetterScan:
    """Takes records from the ends of partitions, that with the newest (oldest) time first.

    Within a partition the order is that of the offsets, whatever the times say. Chunks of
    offsets are read when needed: few while records are large, more while they are small.
    """

    def __init__(
        self,
        *,
        reader: LetterReader,
        ranges: Mapping[int, OffsetRange],
        newest_first: bool,
    ) -> None:
        self._reader = reader
        self._unread = dict(ranges)
        self._read: dict[int, deque[ConsumerRecord]] = {each: deque() for each in ranges}
        self._newest_first = newest_first
        self._chunk = _FIRST_CHUNK

    async def next(self) -> ConsumerRecord | None:
        """Return the next record, or None at the end."""
        await self._fill()
        heads = [records[0] for records in self._read.values() if records]
        if not heads:
            return None
        choose = max if self._newest_first else min
        head = choose(heads, key=lambda each: (each.timestamp, -each.partition))
        return self._read[head.partition].popleft()

    @property
    def left(self) -> LetterRanges:
        """What is still to be taken."""
        return LetterRanges.left_of({each: self._left(each) for each in self._unread})

    def _left(self, partition: int) -> OffsetRange:
        unread = self._unread[partition]
        if not self._read[partition]:
            return unread
        head = self._read[partition][0].offset
        if self._newest_first:
            return OffsetRange(unread.start, head + 1)
        return OffsetRange(head, unread.end)

    async def _fill(self) -> None:
        """Read more of the partitions whose next record is not known."""
        while empty := [
            number
            for number, records in self._read.items()
            if not records and not self._unread[number].is_empty
        ]:
            wanted = {number: self._take_range(number) for number in empty}
            found = await self._reader.read(wanted)
            for number, records in found.items():
                self._read[number].extend(
                    reversed(records) if self._newest_first else records
                )
            self._learn(found)

    def _take_range(self, partition: int) -> OffsetRange:
        unread = self._unread[partition]
        if self._newest_first:
            taken = unread.last(self._chunk)
            self._unread[partition] = OffsetRange(unread.start, taken.start)
        else:
            taken = unread.first(self._chunk)
            self._unread[partition] = OffsetRange(taken.end, unread.end)
        return taken

    def _learn(self, found: Mapping[int, list[ConsumerRecord]]) -> None:
        largest = max(
            sum(len(each.value or b"") for each in records) for records in found.values()
        )
        if largest < _SMALL_CHUNK_BYTES:
            self._chunk = min(self._chunk * 2, _LARGEST_CHUNK)
        else:
            self._chunk = max(1, self._chunk // 2)
