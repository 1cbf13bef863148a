import numpy as np

from inferencer.answers import AnswerWriter, EarlyExitWriter, copied_headers

from .messages import record
from .orders import inference_order


def test_key_and_headers_are_copied_and_the_origin_is_added() -> None:
    asked = record(b"x", key=b"k", offset=5, headers=[("trace", b"t"), ("empty", None)])

    [answer] = AnswerWriter(order=inference_order()).write([asked], np.zeros((1, 2)))

    assert answer.topic == "out"
    assert answer.key == b"k"
    assert answer.headers == [
        ("trace", b"t"),
        ("empty", None),
        ("kafkaml-source", b"in/1/5"),
        ("kafkaml-model", b"7/3"),
    ]


def test_forged_headers_are_renamed() -> None:
    forged = [
        ("kafkaml-source", b"evil"),
        ("kafkaml-source", b"2"),
        ("kafkaml-model", b"m"),
    ]

    assert copied_headers([*forged]) == [
        ("kafkaml-inbound-source", b"evil"),
        ("kafkaml-inbound-source", b"2"),
        ("kafkaml-inbound-model", b"m"),
    ]


def test_what_the_model_is_not_sure_of_goes_on_as_a_tensor() -> None:
    writer = EarlyExitWriter(
        answers=AnswerWriter(order=inference_order()),
        answer_width=2,
        limit=0.8,
        upper_topic="upper",
    )
    asked = [
        record(b"x", key=bytes([n]), offset=n, headers=[("t", b"t")]) for n in range(3)
    ]
    rows = np.array([[0.9, 0.1, 1, 2], [0.5, 0.5, 3, 4], [0.2, 0.8, 5, 6]], np.float64)

    replies = {reply.about.offset(): reply for reply in writer.write(asked, rows)}

    assert [replies[each].topic for each in range(3)] == ["out", "upper", "out"]
    assert replies[0].value == b'{"values":[0.9,0.1]}'
    assert replies[1].value == np.array([3, 4], "<f4").tobytes()
    assert replies[1].key == b"\x01"
    assert replies[1].headers[:2] == [("t", b"t"), ("kafkaml-source", b"in/1/1")]
