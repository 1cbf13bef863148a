from inferencer.dead_letters import MAX_REASON_CHARACTERS, DeadLetterWriter

from .messages import NOW_MS, record

WRITER = DeadLetterWriter(topic="out.dlq")


def test_a_dead_letter_keeps_the_record_and_says_what_is_wrong() -> None:
    bad = record(b"v", key=b"k", offset=9, headers=[("kafkaml-source", b"forged")])

    letter = WRITER.write(bad, stage="decode", error="BadRecord", reason="too short")

    assert (letter.topic, letter.key, letter.value) == ("out.dlq", b"k", b"v")
    assert letter.timestamp_ms == NOW_MS
    assert letter.headers == [
        ("kafkaml-source", b"forged"),
        ("__kafkaml.errors.topic", b"in"),
        ("__kafkaml.errors.partition", b"1"),
        ("__kafkaml.errors.offset", b"9"),
        ("__kafkaml.errors.stage", b"decode"),
        ("__kafkaml.errors.class.name", b"BadRecord"),
        ("__kafkaml.errors.message", b"too short"),
    ]


def test_errors_of_an_earlier_dead_letter_are_renamed() -> None:
    returned = record(b"v", headers=[("__kafkaml.errors.offset", b"1")])

    headers = WRITER.write(returned, stage="predict", error="E", reason="").headers

    assert headers[0] == ("kafkaml-inbound-errors.offset", b"1")
    assert [value for name, value in headers if name == "__kafkaml.errors.offset"] == [b"0"]


def test_long_and_odd_reasons_fit() -> None:
    letter = WRITER.write(record(b""), stage="predict", error="E", reason="\ud800x" * 9999)

    message = dict(letter.headers)["__kafkaml.errors.message"]
    assert message is not None
    assert len(message) == MAX_REASON_CHARACTERS


def test_a_null_value_stays_null() -> None:
    assert WRITER.write(record(None), stage="decode", error="E", reason="").value is None


def test_a_shortened_letter_still_leads_to_the_record() -> None:
    letter = WRITER.write(
        record(b"v" * 99, key=b"k", headers=[("big", b"h" * 99)]),
        stage="decode",
        error="E",
        reason="why",
    )

    short = WRITER.shorten(letter, reason="too large")

    assert (short.key, short.value, short.timestamp_ms) == (None, None, 0)
    headers = dict(short.headers)
    assert "big" not in headers
    assert headers["__kafkaml.errors.offset"] == b"0"
    assert headers["__kafkaml.errors.message"] == b"why"
    assert headers["__kafkaml.errors.omitted"] == b"key, value and headers: too large"
