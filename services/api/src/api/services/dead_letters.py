"""What can be done with the dead letters of an inference."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from api.exceptions import (
    InferenceOverError,
    NotFoundError,
    OtherClusterError,
    TopicMissingError,
)
from api.services.dead_letter_log import DeadLetterLog
from api.services.letter_box import LetterBox
from api.services.letter_ranges import LetterRanges, OffsetRange
from api.services.letter_scan import LetterScan
from api.services.letters import Letter
from api.storage.sent_letters import RecordKey
from api.storage.unit_of_work import UnitOfWork, UnitsOfWork
from api.tables.inference_row import InferenceRow
from kafkaml.schemas.base import Page
from kafkaml.schemas.dead_letters import (
    DeadLetter,
    DeadLettersSend,
    DeadLettersSent,
    LetterFilter,
    LetterPlace,
    LetterRefusal,
)

PREVIEW_BYTES = 2048
SHOWN_BYTES = 1024 * 1024
MAX_SENT_BYTES = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class GatheredLetters:
    """Dead letters that are to be sent, of those that were asked for."""

    letters: Sequence[Letter]
    refused: Sequence[LetterRefusal]
    next_cursor: str | None = None


class DeadLetterService:
    """Shows dead letters and sends them again.

    Kafka is read outside of transactions; `work` begins when it is used.
    """

    def __init__(self, *, log: DeadLetterLog, units: UnitsOfWork, work: UnitOfWork) -> None:
        self._log = log
        self._units = units
        self._work = work

    async def page(
        self,
        inference_id: int,
        wanted: LetterFilter,
        *,
        limit: int,
        cursor: str | None,
        newest_first: bool,
    ) -> Page[DeadLetter]:
        """Return some dead letters; there may be more although they are fewer than asked.

        Raise UnavailableError if Kafka is away.
        """
        inference = await self._inference(inference_id)
        letters: list[Letter] = []
        ranges = None if cursor is None else LetterRanges.from_text(cursor)
        async with self._log.open(inference.dead_letter_topic) as reader:
            box = LetterBox(reader=reader, input_topic=inference.input_topic)
            scan = await box.scan(ranges, newest_first=newest_first)
            async for letter in box.letters(scan, wanted):
                letters.append(letter)
                if len(letters) == limit:
                    break
        times = await self._times(inference, letters)
        return Page(
            items=[
                each.to_resource(
                    most_bytes=PREVIEW_BYTES, sent_at=times.get(each.record_key)
                )
                for each in letters
            ],
            next_cursor=str(scan.left) or None,
        )

    async def get(self, inference_id: int, place: LetterPlace) -> DeadLetter:
        """Return one dead letter, whole unless it is very large; raise NotFoundError."""
        inference = await self._inference(inference_id)
        async with self._log.open(inference.dead_letter_topic) as reader:
            box = LetterBox(reader=reader, input_topic=inference.input_topic)
            letter = await box.find(place, await reader.bounds())
        if letter is None:
            raise NotFoundError.of("dead letter", f"{place.partition}/{place.offset}")
        times = await self._times(inference, [letter])
        return letter.to_resource(
            most_bytes=SHOWN_BYTES, sent_at=times.get(letter.record_key)
        )

    async def gather(self, inference_id: int, wanted: DeadLettersSend) -> GatheredLetters:
        """Read what `send` is to send."""
        inference = await self._inference(inference_id)
        if inference.input_cluster is not None:
            raise OtherClusterError(inference.input_topic, cluster=inference.input_cluster)
        cursor = wanted.cursor
        ranges = None if cursor is None else LetterRanges.from_text(cursor)
        async with self._log.open(inference.dead_letter_topic) as reader:
            if not await reader.has_topic(inference.input_topic):
                raise TopicMissingError(inference.input_topic)
            box = LetterBox(reader=reader, input_topic=inference.input_topic)
            if wanted.letters is not None:
                bounds = await reader.bounds()
                return await _gather_places(box, wanted.letters, bounds)
            scan = await box.scan(ranges, newest_first=False)
            return await _gather_fitting(box, scan, wanted)

    async def send(self, inference_id: int, gathered: GatheredLetters) -> DeadLettersSent:
        """Send records to the input topic again, each once, by way of the outbox."""
        inference = await self._work.inferences.lock(inference_id)
        if inference.state.is_final:
            raise InferenceOverError(inference_id, state=inference.state)
        sendable = [each for each in gathered.letters if each.hindrance is None]
        new = await self._work.sent_letters.add(
            {each.record_key for each in sendable},
            topic=inference.input_topic,
            inference_id=inference_id,
        )
        sent = len(new)
        for each in sendable:
            if each.record_key in new:
                new.remove(each.record_key)  # it may have two dead letters
                self._add(inference, each)
        hindered = [
            _refusal(each, each.hindrance) for each in gathered.letters if each.hindrance
        ]
        return DeadLettersSent(
            inference_id=inference_id,
            sent=sent,
            already_sent=len(sendable) - sent,
            refused=[*gathered.refused, *hindered],
            next_cursor=gathered.next_cursor,
        )

    def _add(self, inference: InferenceRow, letter: Letter) -> None:
        self._work.outbox.add_letter(
            inference.input_topic,
            partition=letter.source.partition,
            timestamp_ms=letter.timestamp_ms if letter.timestamp_ms >= 0 else None,
            key=letter.key,
            value=letter.value,
            headers=letter.sent_headers(),
        )

    async def _inference(self, inference_id: int) -> InferenceRow:
        async with self._units.begin() as work:
            inference = await work.inferences.get(inference_id)
        if inference.output_cluster is not None:
            raise OtherClusterError(
                inference.dead_letter_topic, cluster=inference.output_cluster
            )
        return inference

    async def _times(
        self, inference: InferenceRow, letters: Sequence[Letter]
    ) -> dict[RecordKey, datetime]:
        keys = [each.record_key for each in letters]
        async with self._units.begin() as work:
            return await work.sent_letters.times(keys, topic=inference.input_topic)


async def _gather_places(
    box: LetterBox, places: Sequence[LetterPlace], bounds: Mapping[int, OffsetRange]
) -> GatheredLetters:
    letters: list[Letter] = []
    refused: list[LetterRefusal] = []
    size = 0
    for place in places:
        letter = await box.find(place, bounds)
        if letter is None:
            refused.append(_refusal(place, "there is no dead letter of this inference"))
        elif size + letter.size_bytes > MAX_SENT_BYTES:
            refused.append(
                _refusal(
                    place, "the letters before are many bytes: send it by another call"
                )
            )
        else:
            size += letter.size_bytes
            letters.append(letter)
    return GatheredLetters(letters=letters, refused=refused)


async def _gather_fitting(
    box: LetterBox, scan: LetterScan, wanted: DeadLettersSend
) -> GatheredLetters:
    letters: list[Letter] = []
    size = 0
    async for letter in box.letters(scan, wanted.filter or LetterFilter()):
        letters.append(letter)
        size += letter.size_bytes
        if len(letters) == wanted.limit or size >= MAX_SENT_BYTES:
            break
    return GatheredLetters(letters=letters, refused=[], next_cursor=str(scan.left) or None)


def _refusal(place: LetterPlace | Letter, message: str) -> LetterRefusal:
    return LetterRefusal(partition=place.partition, offset=place.offset, message=message)
