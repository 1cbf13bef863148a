"""The dead letters of one inference in a topic that others may write to as well."""

import time
from collections.abc import AsyncIterator, Mapping
from datetime import timedelta

from aiokafka import ConsumerRecord

from api.services.dead_letter_log import LetterReader
from api.services.letter_ranges import LetterRanges, OffsetRange
from api.services.letter_scan import LetterScan
from api.services.letters import Letter
from kafkaml.schemas.dead_letters import LetterFilter, LetterPlace

MAX_SCANNED = 5000
SCAN_TIMEOUT = timedelta(seconds=5)


class LetterBox:
    """Finds letters whose records came from one input topic."""

    def __init__(self, *, reader: LetterReader, input_topic: str) -> None:
        self._reader = reader
        self._input_topic = input_topic

    async def scan(self, ranges: LetterRanges | None, *, newest_first: bool) -> LetterScan:
        """Begin a walk over some ranges, or over all that there is now."""
        bounds = await self._reader.bounds()
        left = (ranges or LetterRanges(bounds)).within(bounds).ranges
        return LetterScan(reader=self._reader, ranges=left, newest_first=newest_first)

    async def letters(
        self, scan: LetterScan, wanted: LetterFilter
    ) -> AsyncIterator[Letter]:
        """Yield the letters that fit, until enough work was done for one request."""
        deadline = time.monotonic() + SCAN_TIMEOUT.total_seconds()
        for _ in range(MAX_SCANNED):
            record = await scan.next()
            if record is None:
                return
            letter = self._letter_of(record)
            if letter is not None and letter.fits(wanted):
                yield letter
            if time.monotonic() > deadline:
                return

    async def find(
        self, place: LetterPlace, bounds: Mapping[int, OffsetRange]
    ) -> Letter | None:
        """Return the letter at a place, if there is one."""
        one = OffsetRange(place.offset, place.offset + 1)
        if place.partition not in bounds or one.within(bounds[place.partition]).is_empty:
            return None
        found = await self._reader.read({place.partition: one})
        records = found[place.partition]
        return self._letter_of(records[0]) if records else None

    def _letter_of(self, record: ConsumerRecord) -> Letter | None:
        try:
            letter = Letter.from_record(record)
        except ValueError:
            return None
        return letter if letter.source.topic == self._input_topic else None
