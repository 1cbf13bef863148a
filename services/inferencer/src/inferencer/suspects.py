"""Records at which a replica died, so that others do not die of them for ever."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple, Self

import structlog
from confluent_kafka import Consumer, KafkaException, TopicPartition

from inferencer.dead_letters import DeadLetterWriter
from inferencer.exceptions import DeliveryError
from inferencer.guarantees import Partition, first_offsets, next_offsets
from inferencer.record import Record, Reply

log = structlog.get_logger()

# Most replicas die by chance, and answering records alone takes long: what one did not
# survive is tried together once more.
JOINT_TRIES = 2
LONE_TRIES = 2
_MARK = re.compile(r"tried-together=(\d+) tried-alone=(\d+) up-to=(\d+)")


class Mark(NamedTuple):
    """What is noted beside a committed offset before the records from there are tried."""

    together: int
    """How often these records were tried, as one batch or several."""
    alone: int
    """How often the first of these records was tried alone."""
    end: int
    """The offset after the last of them."""

    @classmethod
    def from_metadata(cls, metadata: str | None) -> Self | None:
        found = _MARK.fullmatch(metadata or "")
        return cls(*map(int, found.groups())) if found else None

    def to_metadata(self) -> str:
        return f"tried-together={self.together} tried-alone={self.alone} up-to={self.end}"


class Suspect(NamedTuple):
    """Records, from `first` on, that a replica tried and did not live to answer."""

    first: int
    mark: Mark


class Division(NamedTuple):
    """What to do with records, of which some are suspect: at most one of these, alone."""

    alone: Record | None
    others: Sequence[Record]
    later: Mapping[Partition, int]
    """Where the suspect records begin that have to wait, by partition."""


class Suspects:
    """Marks what is tried, and knows by the marks of others what they did not survive.

    The first records of a partition that was just assigned are marked, by committing the
    offset that is committed already with a note beside it. The next commit removes that.
    Who is assigned a partition whose records were tried `JOINT_TRIES` times answers them
    one at a time, each marked anew. One that was tried alone `LONE_TRIES` times becomes a
    dead letter.
    """

    def __init__(self, *, consumer: Consumer, dead_letters: DeadLetterWriter) -> None:
        self._consumer = consumer
        self._dead_letters = dead_letters
        self._fresh: dict[Partition, int] = {}
        """How often the first records were tried by others, by partition not yet marked."""
        self._suspects: dict[Partition, Suspect] = {}

    def assigned(self, places: Iterable[TopicPartition]) -> None:
        """Take in what is committed for partitions that are new here."""
        for each in places:
            partition = each.topic, each.partition
            mark = Mark.from_metadata(each.metadata)
            self._fresh[partition] = mark.together if mark else 0
            if mark is not None and mark.together >= JOINT_TRIES:
                self._suspects[partition] = Suspect(each.offset, mark)
                log.warning(
                    "records are answered one at a time: who tried them did not survive",
                    partition=each.partition,
                    first_offset=each.offset,
                    next_offset=mark.end,
                )

    def forget(self, partitions: Iterable[TopicPartition]) -> None:
        """Leave partitions to whoever has them now."""
        for each in partitions:
            self._fresh.pop((each.topic, each.partition), None)
            self._suspects.pop((each.topic, each.partition), None)

    def divide(self, records: Sequence[Record]) -> Division:
        """Say which of `records`, which ascend within their partitions, to answer now."""
        if not self._suspects:
            return Division(None, records, {})
        alone: Record | None = None
        others: list[Record] = []
        later: dict[Partition, int] = {}
        for partition, own in _by_partition(records).items():
            if not self._is_suspect(own[0]):
                others.extend(own)
                continue
            waiting = own
            if alone is None:
                alone, *waiting = own
            if waiting:
                later[partition] = waiting[0].offset()
        return Division(alone, others, later)

    def replies(
        self,
        records: Sequence[Record],
        answer: Callable[[Sequence[Record]], list[Reply]],
    ) -> list[Reply]:
        """Return what `answer` does, which may never come back, after marking `records`.

        Raise DeliveryError if Kafka does not take the mark.
        """
        if not self._fresh and not self._suspects:
            return answer(records)  # nearly always
        if self._is_suspect(records[0]):
            return self._reply_alone(records[0], answer)
        fresh = self._fresh.keys() & first_offsets(records).keys()
        if fresh:
            self._mark_all(fresh, records)
        return answer(records)

    def passed(self, record: Record) -> None:
        """Note that the reply to a suspect record is committed."""
        partition, after = _partition(record), record.offset() + 1
        suspect = self._suspects.pop(partition)
        if after < suspect.mark.end:
            mark = suspect.mark._replace(alone=0)
            self._suspects[partition] = Suspect(after, mark)

    def _is_suspect(self, record: Record) -> bool:
        """Say whether it is; beyond the last suspect of its partition there is none."""
        partition = _partition(record)
        suspect = self._suspects.get(partition)
        if suspect is None:
            return False
        if record.offset() >= suspect.mark.end:
            del self._suspects[partition]
            return False
        return True

    def _reply_alone(
        self, record: Record, answer: Callable[[Sequence[Record]], list[Reply]]
    ) -> list[Reply]:
        partition = _partition(record)
        suspect = self._suspects[partition]
        is_first = record.offset() == suspect.first
        mark = suspect.mark if is_first else suspect.mark._replace(alone=0)
        if mark.alone >= LONE_TRIES:
            return [self._give_up(record, mark.alone)]
        self._commit({partition: (record.offset(), mark._replace(alone=mark.alone + 1))})
        try:
            replies = answer([record])
        except DeliveryError:  # not the record's fault, nor are those of its reply
            self._unmark(partition, record.offset(), mark)
            raise
        self._unmark(partition, record.offset(), mark)
        return replies

    def _give_up(self, record: Record, tries: int) -> Reply:
        log.error(
            "a record becomes a dead letter: nobody who tried it survived",
            partition=record.partition(),
            offset=record.offset(),
        )
        return self._dead_letters.write(
            record,
            stage="predict",
            error="ReplicaLost",
            reason=f"the replica died, or took too long, each of the {tries} times that it "
            "answered this record alone",
        )

    def _mark_all(self, partitions: set[Partition], records: Sequence[Record]) -> None:
        first, after = first_offsets(records), next_offsets(records)
        self._commit(
            {
                each: (first[each], Mark(self._fresh[each] + 1, alone=0, end=after[each]))
                for each in partitions
            }
        )
        for each in partitions:
            del self._fresh[each]

    def _unmark(self, partition: Partition, offset: int, mark: Mark) -> None:
        try:
            self._commit({partition: (offset, mark)})
        except DeliveryError as e:
            log.info("a record that was survived stays marked", error=str(e))

    def _commit(self, marks: Mapping[Partition, tuple[int, Mark]]) -> None:
        places = [
            TopicPartition(topic, partition, offset, mark.to_metadata())
            for (topic, partition), (offset, mark) in marks.items()
        ]
        try:
            results = self._consumer.commit(offsets=places, asynchronous=False)
        except KafkaException as e:
            raise DeliveryError(f"Kafka does not take a mark: {e.args[0].str()}") from e
        for each in results:
            if each.error:
                raise DeliveryError(f"Kafka does not take a mark: {each.error.str()}")


def _partition(record: Record) -> Partition:
    return record.topic(), record.partition()


def _by_partition(records: Sequence[Record]) -> Mapping[Partition, list[Record]]:
    found: dict[Partition, list[Record]] = {}
    for record in records:
        found.setdefault(_partition(record), []).append(record)
    return found
