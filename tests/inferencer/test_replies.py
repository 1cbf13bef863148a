from collections.abc import Sequence

import numpy as np
import orjson
from confluent_kafka import Message
from hypothesis import given
from hypothesis import strategies as st

from inferencer.answers import AnswerWriter
from inferencer.codecs import codec_of
from inferencer.dead_letters import DeadLetterWriter
from inferencer.drift import DriftWatch
from inferencer.metrics import Metrics
from inferencer.model_counts import ModelCounts
from inferencer.record import Headers, Reply
from inferencer.replies import Answering, ReplyMaker
from inferencer.testing import SumEngine
from kafkaml.schemas.attempts import InferenceOrder
from kafkaml.schemas.statistics import ModelRole

from .messages import record
from .orders import inference_order, value_of

POISON = 666.0


def replies_to(
    values: Sequence[bytes | None], order: InferenceOrder | None = None
) -> list[Reply]:
    return maker(order).replies(
        [record(value, offset=offset) for offset, value in enumerate(values)]
    )


def maker(order: InferenceOrder | None = None) -> ReplyMaker:
    order = order or inference_order()
    return ReplyMaker(
        codec=codec_of(order),
        primary=Answering(
            engine=SumEngine(input_shape=tuple(order.input_shape), poison=POISON),
            answers=AnswerWriter(order=order),
            counts=ModelCounts(role=ModelRole.PRIMARY, order=order),
        ),
        dead_letters=DeadLetterWriter(topic=order.dead_letter_topic),
        metrics=Metrics(),
        drift=DriftWatch(),
    )


@given(
    st.lists(
        st.sampled_from([value_of(1), value_of(2), value_of(POISON), None, b"", b"short"]),
        max_size=40,
    )
)
def test_every_record_gets_exactly_one_reply_of_the_right_kind(
    values: list[bytes | None],
) -> None:
    replies = replies_to(values)

    assert sorted(reply.about.offset() for reply in replies) == list(range(len(values)))
    for reply in replies:
        asked = values[reply.about.offset()]
        if asked in {value_of(1), value_of(2)}:
            total = float(np.frombuffer(asked or b"", np.float32)[0])
            assert reply.topic == "out"
            assert orjson.loads(reply.value or b"") == {"values": [total, total]}
        else:
            assert reply.topic == "out.dlq"
            assert reply.value == asked


def test_the_reason_of_each_bad_record_is_given() -> None:
    replies = replies_to([b"short", None, value_of(POISON)])

    told = [dict(reply.headers) for reply in replies]
    assert [each["__kafkaml.errors.stage"] for each in told] == [
        b"decode",
        b"decode",
        b"predict",
    ]
    assert [each["__kafkaml.errors.class.name"] for each in told] == [
        b"BadRecord",
        b"BadRecord",
        b"PredictionError",
    ]
    assert all(each["__kafkaml.errors.message"] for each in told)


class OddlyNamed(Message):  # type: ignore[misc]  # the class is untyped
    """A record with a header whose name is not UTF-8: the client fails like this."""

    def headers(self) -> Headers:
        raise SystemError("headers returned a result with an exception set")


def test_headers_that_cannot_be_read_cost_a_record_nothing_else() -> None:
    values = (value_of(1), b"bad")
    replies = maker().replies(
        [OddlyNamed(topic="in", partition=0, offset=0, value=value) for value in values]
    )

    for reply in replies:
        assert reply.headers[0] == (
            "kafkaml-inbound-headers",
            b"left out: a name is not UTF-8",
        )
    assert sorted(reply.topic for reply in replies) == ["out", "out.dlq"]


def test_many_bad_records_do_not_outvote_a_good_one() -> None:
    order = inference_order(input_config={"data_type": "float32", "data_reshape": None})

    replies = replies_to([b"12345678"] * 9 + [value_of(1)], order)

    assert [reply.topic for reply in replies] == ["out.dlq"] * 9 + ["out"]


def test_records_take_the_shape_of_the_model() -> None:
    order = inference_order(
        input_shape=[2, 2], input_format="JSON", input_config={"data_fields": list("abcd")}
    )

    [reply] = replies_to([b'{"a": 1, "b": 2, "c": 3, "d": 4}'], order)

    assert reply.value == b'{"values":[10.0,4.0]}'
