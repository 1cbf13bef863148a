"""Which records a canary answers."""

import zlib

from confluent_kafka import Message
from hypothesis import given
from hypothesis import strategies as st

from inferencer.routing import canary_mask

from .messages import record

KEYS = [record(b"", key=f"sensor-{number}".encode()) for number in range(20_000)]


@given(st.floats(0.01, 0.99), st.floats(0.01, 0.99))
def test_a_growing_share_keeps_the_keys_that_it_has(one: float, other: float) -> None:
    smaller, larger = (canary_mask(KEYS[:500], share) for share in sorted((one, other)))
    assert not (smaller & ~larger).any()


@given(st.binary(max_size=40), st.floats(0.01, 0.99), st.integers(0, 2**40))
def test_a_key_is_answered_by_the_same_model_wherever_it_comes(
    key: bytes, share: float, offset: int
) -> None:
    here, there = record(b"1", key=key), record(b"2", key=key, offset=offset)
    [first], [second] = canary_mask([here], share), canary_mask([there, *KEYS], share)[:1]
    assert first == second


def test_each_share_is_met() -> None:
    for share in (0.001, 0.1, 0.5, 0.9):
        assert abs(canary_mask(KEYS, share).mean() - share) < 0.01


def test_records_without_a_key_are_shared_out_by_their_coordinates() -> None:
    records = [record(b"", offset=offset) for offset in range(20_000)]
    assert abs(canary_mask(records, 0.3).mean() - 0.3) < 0.01


def test_a_share_of_the_keys_of_each_partition_is_met() -> None:
    """Whatever chose the partitions by the CRC-32 of the key, as librdkafka does."""

    for partitions in (3, 4, 16):
        for partition in range(partitions):
            here = [
                each
                for each in KEYS
                if zlib.crc32(each.key() or b"") % partitions == partition
            ]
            assert abs(canary_mask(here, 0.3).mean() - 0.3) < 0.06


def test_no_records_have_no_mask() -> None:
    empty: list[Message] = []
    assert canary_mask(empty, 0.5).tolist() == []
