"""The partitions that this replica has, and where it begins to read them."""

from typing import Any

import structlog
from confluent_kafka import Consumer, KafkaException, TopicPartition

from inferencer.guarantees import Partition, ReplyGuarantee
from inferencer.suspects import Suspects

log = structlog.get_logger()

LOOKUP_SECONDS = 10.0


class Assignment:
    """Follows the rebalances of the group.

    The callbacks run inside `poll` and `consume`, so no batch is half done. The start
    is found here and not by the client's `auto.offset.reset`, which would also skip expired
    records without a word.
    """

    def __init__(
        self,
        *,
        consumer: Consumer,
        guarantee: ReplyGuarantee,
        suspects: Suspects,
        start: str,
    ) -> None:
        self._consumer = consumer
        self._guarantee = guarantee
        self._suspects = suspects
        self._start = start
        self._is_known = False
        self._partitions: set[Partition] = set()
        self.begins: dict[Partition, int] = {}
        """Where reading began, -1001 where that is not known, by partition."""
        self._misplaced: dict[Partition, int | None] = {}

    def subscribe(self, topic: str) -> None:
        """Join the group."""
        self._consumer.subscribe(
            [topic],
            on_assign=self._assigned,
            on_revoke=self._revoked,
            on_lost=self._lost,
        )

    @property
    def is_known(self) -> bool:
        """Whether the group told which partitions this replica has, be it none."""
        return self._is_known

    def has(self, topic: str, partition: int) -> bool:
        return (topic, partition) in self._partitions

    def misplaced(self, topic: str, partition: int, wanted: int | None) -> None:
        """Note that the log has no offset `wanted`, or that there is no offset at all."""
        self._misplaced[topic, partition] = wanted

    def place_again(self) -> None:
        """Go on with misplaced partitions where they have records; say which are gone."""
        for (topic, partition), wanted in list(self._misplaced.items()):
            try:
                place = self._next_place(TopicPartition(topic, partition), wanted)
            except KafkaException as e:
                log.warning("offsets of a partition not known yet", error=str(e))
                return
            del self._misplaced[topic, partition]
            self._guarantee.begin_at([place])
            self._consumer.incremental_unassign([TopicPartition(topic, partition)])
            self._consumer.incremental_assign([place])

    def _next_place(self, place: TopicPartition, wanted: int | None) -> TopicPartition:
        if wanted is None:
            return self._begun([place])[0]
        lowest, highest = self._consumer.get_watermark_offsets(
            place, timeout=LOOKUP_SECONDS
        )
        place.offset = highest if wanted > highest else lowest
        log.error(
            "records are gone from the input topic: they expired before they were "
            "answered; keep them longer or add replicas",
            topic=place.topic,
            partition=place.partition,
            wanted_offset=wanted,
            next_offset=place.offset,
        )
        return place

    def _assigned(self, consumer: Any, partitions: list[TopicPartition]) -> None:
        if partitions:
            placed = self._placed(partitions)
            self._suspects.assigned(placed)
            consumer.incremental_assign(placed)
            self.begins |= {(each.topic, each.partition): each.offset for each in placed}
        self._partitions.update((each.topic, each.partition) for each in partitions)
        self._is_known = True
        log.info("partitions assigned", partitions=_numbers(partitions))

    def _placed(self, partitions: list[TopicPartition]) -> list[TopicPartition]:
        try:
            return self._begun(partitions)
        except KafkaException as e:
            # The client then looks itself, and reports those where it finds nothing.
            log.warning("committed offsets not known yet", error=str(e))
            return partitions

    def _begun(self, partitions: list[TopicPartition]) -> list[TopicPartition]:
        """Return partitions with the offset to read next."""
        placed: list[TopicPartition] = self._consumer.committed(
            partitions, timeout=LOOKUP_SECONDS
        )
        new = [each for each in placed if each.offset < 0]
        for each in new:
            each.offset = self._first_offset(each)
        self._guarantee.begin_at(new)
        return placed

    def _first_offset(self, place: TopicPartition) -> int:
        watermarks = self._consumer.get_watermark_offsets(place, timeout=LOOKUP_SECONDS)
        return int(watermarks[0] if self._start == "earliest" else watermarks[1])

    def _revoked(self, _consumer: Any, partitions: list[TopicPartition]) -> None:
        self._guarantee.commit()
        self._drop(partitions, "partitions given back")

    def _lost(self, _consumer: Any, partitions: list[TopicPartition]) -> None:
        self._drop(partitions, "partitions lost")

    def _drop(self, partitions: list[TopicPartition], what: str) -> None:
        self._guarantee.forget(partitions)
        self._suspects.forget(partitions)
        # The client remembers a pause: the partition would never be read if it came back.
        self._consumer.resume(partitions)
        for each in partitions:
            self._partitions.discard((each.topic, each.partition))
            self.begins.pop((each.topic, each.partition), None)
            self._misplaced.pop((each.topic, each.partition), None)
        log.info(what, partitions=_numbers(partitions))


def _numbers(partitions: list[TopicPartition]) -> list[int]:
    return sorted(each.partition for each in partitions)
