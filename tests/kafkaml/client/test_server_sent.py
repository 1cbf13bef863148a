from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kafkaml.client._server_sent import (
    MAX_MESSAGE_BYTES,
    ServerSentMessage,
    ServerSentParser,
)
from kafkaml.exceptions import ClientError

STREAM = (
    b": hello\n\nid: 1\nevent: a\ndata: one\n\n"
    b"id: 2\r\ndata:two\r\ndata: more\r\n\r\n"
    b"data: \xe2\x80\xa8 \x0b three\r\r"
    b"retry: 5\n\nid\ndata\n\nid: 9\n\n"
    b"id: 10\ndata: not finished"
)
MESSAGES = [
    ServerSentMessage("1", "one"),
    ServerSentMessage("2", "two\nmore"),
    ServerSentMessage("2", "\u2028 \x0b three"),
    ServerSentMessage("", ""),
    ServerSentMessage("9", None),
]


@given(st.sets(st.integers(1, len(STREAM) - 1)))
def test_where_the_network_cuts_makes_no_difference(cuts: set[int]) -> None:
    parser = ServerSentParser()
    places = [0, *sorted(cuts), len(STREAM)]
    chunks = [STREAM[start:end] for start, end in pairwise(places)]
    assert [m for chunk in chunks for m in parser.feed(chunk)] == MESSAGES


def test_a_message_without_an_end_is_refused() -> None:
    parser = ServerSentParser()
    assert [*parser.feed(b"x" * MAX_MESSAGE_BYTES)] == []
    with pytest.raises(ClientError, match="larger"):
        [*parser.feed(b"x")]


def test_many_messages_may_come_in_one_connection() -> None:
    parser = ServerSentParser()
    chunk = b"data: " + b"x" * (MAX_MESSAGE_BYTES // 3) + b"\n\n"
    assert sum(len(list(parser.feed(chunk))) for _ in range(6)) == 6
