"""Logs as people get them: the code of a model writes what it likes."""

import pytest

from orchestrator.executors.log_text import whole_lines


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        (b"plain\ttext\n", "plain\ttext\n"),
        (b"\x1b[2J\x1b[31;1mred\x1b[0m\n", "red\n"),
        (b"\x1b]0;a title\x07text\n", "text\n"),
        (b"\x1b]8;;http://a\x1b\\link\x1b]8;;\x1b\\\n", "link\n"),
        (b"\x1b(Btext\x1b7\n", "text\n"),
        (b"1/2\r2/2\r\n", "1/2\n2/2\n"),
        (b"\x00\x08\x7f\xc2\x9b31m\xff\n", "\ufffd\ufffd\ufffd\ufffd31m\ufffd\n"),
        (b"unfinished \x1b[3", "unfinished \ufffd[3"),
        ("größer ≥ 5\n".encode(), "größer ≥ 5\n"),
    ],
)
def test_a_log_is_text_that_does_nothing_to_a_terminal(written: bytes, shown: str) -> None:
    assert whole_lines(written, 1000).decode() == shown


def test_a_log_stays_below_its_limit() -> None:
    content = b"first\n" + b"\xff" * 90 + b"\nlast\n"
    shown = whole_lines(content, 50)
    assert len(shown) <= 50
    assert shown.endswith(b"\nlast\n") or shown == b"last\n"
