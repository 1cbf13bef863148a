"""Control messages: what the original sinks write is read, what breaks a rule is named."""

import json
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kafkaml.control import (
    ControlMessage,
    TopicRange,
    deployment_id_of,
    key_of,
    ranges_from_text,
)
from kafkaml.exceptions import ControlMessageError, KafkaMLError

IDS = [0, 1, 255, 256, 2**31, 2**63 - 1]
WIDTHS = [1, 1, 1, 2, 4, 8]

ids = st.integers(0, 2**63 - 1)
rates = st.floats(0, 0.49)
topic_names = st.from_regex(r"[a-zA-Z0-9_-]{1,20}", fullmatch=True)


def value_of(**fields: Any) -> bytes:
    """Return a value that is good but for what `fields` say; None leaves a field out."""
    good: dict[str, Any] = {
        "deployment_id": 1,
        "topic": "data:0:0:10",
        "input_format": "RAW",
        "input_config": {},
    }
    return orjson.dumps({**good, **fields})


@st.composite
def range_texts(draw: st.DrawFn) -> str:
    """Ranges of which no two overlap."""
    topic = draw(topic_names)
    ranges = []
    for partition in draw(st.sets(st.integers(0, 50), min_size=1, max_size=5)):
        ends = sorted(draw(st.sets(st.integers(0, 10**12), min_size=2, max_size=6)))
        ranges += [
            TopicRange(topic, partition, *pair)
            for pair in zip(ends[::2], ends[1::2], strict=False)
        ]
    return ",".join(str(each) for each in draw(st.permutations(ranges)))


@st.composite
def messages(draw: st.DrawFn) -> ControlMessage:
    return ControlMessage(
        deployment_id=draw(ids | st.sampled_from(IDS)),
        topic=draw(range_texts() | topic_names),
        input_format=draw(st.sampled_from(["RAW", "AVRO", "JSON"])),
        input_config=draw(st.dictionaries(st.text(max_size=5), st.none() | st.text())),
        validation_rate=draw(rates),
        test_rate=draw(rates),
        total_msg=draw(st.none() | ids),
        description=draw(st.text(max_size=50)),
        unsupervised_topic=draw(st.none() | st.text(max_size=9)),
        dataset_restrictions=draw(st.none() | st.dictionaries(st.text(), st.booleans())),
        incremental=draw(st.booleans()),
    )


@given(messages())
def test_what_is_written_is_read(message: ControlMessage) -> None:
    read = ControlMessage.from_record(message.to_key(), message.to_value())
    assert read == message
    assert ControlMessage.from_record(None, message.to_value()) == message
    assert ",".join(str(each) for each in read.ranges) in {message.topic, ""}


@pytest.mark.parametrize(("number", "width"), list(zip(IDS, WIDTHS, strict=True)))
def test_a_key_is_as_short_as_it_can_be(number: int, width: int) -> None:
    assert len(key_of(number)) == width
    for padding in range(9 - width):
        assert deployment_id_of(bytes(padding) + key_of(number)) == number


@pytest.mark.parametrize("key", [None, b"", b"\xff" * 8, b"\x01" * 9, b"deployment 1"])
def test_other_keys_name_no_deployment(key: bytes | None) -> None:
    assert deployment_id_of(key) is None


def test_the_message_of_an_original_sink_is_read() -> None:
    # What RawSink.close() of the original sends, byte for byte: json.dumps, one-byte key.
    key = bytes([5])
    value = (
        b'{"topic": "mnist:0:0:70000,mnist:1:0:0", "unsupervised_topic": null, '
        b'"input_format": "RAW", "description": "Mnist dataset", '
        b'"dataset_restrictions": {}, "input_config": {"data_type": "uint8", '
        b'"label_type": "uint8", "data_reshape": "28 28", "label_reshape": "1"}, '
        b'"validation_rate": 0.1, "test_rate": 0.1, "total_msg": 70000, '
        b'"incremental": false}'
    )
    message = ControlMessage.from_record(key, value)
    assert message.deployment_id == 5
    assert message.ranges == (
        TopicRange("mnist", 0, 0, 70000),
        TopicRange("mnist", 1, 0, 0),
    )
    assert message.total_msg == 70000
    assert message.input_config["data_reshape"] == "28 28"
    assert message.unsupervised_topic is None
    assert message.dataset_restrictions == {}
    assert not message.incremental


def test_the_message_of_an_original_online_sink_is_read() -> None:
    value = json.dumps(
        {
            "topic": "mnist",
            "unsupervised_topic": None,
            "input_format": "RAW",
            "description": "",
            "input_config": {"data_type": "uint8"},
            "validation_rate": 0.1,
            "test_rate": 0,
            "total_msg": None,
            "dataset_restrictions": {},
            "incremental": True,
        }
    ).encode("utf-8")
    message = ControlMessage.from_record(bytes([0]), value)
    assert message.deployment_id == 0
    assert message.ranges == ()
    assert message.total_msg is None
    assert message.incremental


def test_optional_fields_can_be_absent_or_null_and_others_are_ignored() -> None:
    value = value_of(validation_rate=None, test_rate=None, description=None, more={"x": 1})
    message = ControlMessage.from_record(None, value)
    assert (message.validation_rate, message.test_rate, message.description) == (0, 0, "")


BROKEN: list[tuple[dict[str, Any], str]] = [
    ({"topic": ""}, "topic"),
    ({"topic": None}, "topic"),
    ({"topic": 3}, "topic"),
    ({"topic": ".."}, "not a topic name"),
    ({"topic": "a" * 250}, "not a topic name"),
    ({"topic": "no topic"}, "not a topic name"),
    ({"topic": "data:0:0"}, "not a range"),
    ({"topic": "data:0:0:10:1"}, "not a range"),
    ({"topic": "data:0:0:ten"}, "not a range"),
    ({"topic": "data:0:-1:10"}, "not a range"),
    ({"topic": "data:0:0:1.5"}, "not a range"),
    ({"topic": "data:0:0:٣"}, "not a range"),
    ({"topic": "data:0:0:10,"}, "not a range"),
    ({"topic": ":0:0:10"}, "not a topic name"),
    ({"topic": f"data:{2**31}:0:10"}, "number that Kafka does not know"),
    ({"topic": f"data:0:0:{2**63}"}, "number that Kafka does not know"),
    ({"topic": "data:0:10:9"}, "ends before it starts"),
    ({"topic": "data:0:0:0,data:1:5:5"}, "nothing to train on"),
    ({"topic": "data:0:0:10,data:0:9:20"}, "overlap"),
    ({"topic": "data:0:0:10,data:0:0:10"}, "overlap"),
    ({"topic": "data:0:0:100,data:0:200:300,data:0:50:60"}, "overlap"),
    ({"topic": ",".join(f"data:{p}:0:10" for p in range(20_000))}, "100000 characters"),
    ({"input_format": ""}, "input_format"),
    ({"input_format": None}, "input_format"),
    ({"input_config": []}, "input_config"),
    ({"validation_rate": -0.1}, "validation_rate"),
    ({"validation_rate": 1.0}, "validation_rate"),
    ({"test_rate": "much"}, "test_rate"),
    ({"validation_rate": 0.5, "test_rate": 0.5}, "nothing to train on"),
    ({"total_msg": -1}, "total_msg"),
    ({"total_msg": "10"}, "total_msg"),
    ({"total_msg": 10.0}, "total_msg"),
    ({"total_msg": 2**63}, "total_msg"),
    ({"deployment_id": -1}, "deployment_id"),
    ({"deployment_id": 2**63}, "deployment_id"),
    ({"deployment_id": "1"}, "deployment_id"),
    ({"deployment_id": 1.0}, "deployment_id"),
    ({"deployment_id": True}, "deployment_id"),
    ({"description": "x" * 10_001}, "description"),
]


@pytest.mark.parametrize(("fields", "reason"), BROKEN)
def test_a_broken_rule_is_named(fields: dict[str, Any], reason: str) -> None:
    with pytest.raises(ControlMessageError) as error:
        ControlMessage.from_record(None, value_of(**fields))
    assert reason in str(error.value)
    assert len(str(error.value)) < 500


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, "no value"),
        (b"", "not JSON"),
        (b"\xff\xfe", "not JSON"),
        (b"\xef\xbb\xbf{}", "not JSON"),
        (b"hello", "not JSON"),
        (b'{"topic": NaN}', "not JSON"),
        (b'{"topic": "\\ud800"}', "not JSON"),
        (b"{} {}", "not JSON"),
        (b"[" * 100_000 + b"]" * 100_000, "not JSON"),
        (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, "not JSON"),
        (b"[]", "not a JSON object"),
        (b"null", "not a JSON object"),
        (b" " * (1024 * 1024 + 1), "larger than"),
    ],
)
def test_other_values_are_refused(value: bytes | None, reason: str) -> None:
    with pytest.raises(ControlMessageError, match=reason):
        ControlMessage.from_record(b"\x01", value)


@pytest.mark.parametrize(
    ("key", "number", "reason"),
    [
        (b"\x02", 1, "the key names deployment 2, the value deployment 1"),
        (b"\x01" * 9, 1, "the key names no deployment, the value deployment 1"),
        (b"text", 1, "the key names deployment 1952807028, the value deployment 1"),
        (b"\x01", "x" * 500, "the key names deployment 1, the value deployment 'xxx"),
        (None, None, "no deployment is named"),
        (b"", None, "no deployment is named"),
        (b"\x01" * 9, None, "no deployment is named"),
    ],
)
def test_key_and_value_must_agree(key: bytes | None, number: object, reason: str) -> None:
    with pytest.raises(ControlMessageError, match=reason) as error:
        ControlMessage.from_record(key, value_of(deployment_id=number))
    assert len(str(error.value)) < 200


def test_of_a_field_that_is_there_twice_the_last_one_counts() -> None:
    value = value_of()[:-1] + b',"topic":"other"}'
    assert ControlMessage.from_record(None, value).topic == "other"


@given(st.none() | st.binary(max_size=12), st.none() | st.binary(max_size=200))
def test_no_bytes_raise_anything_else(key: bytes | None, value: bytes | None) -> None:
    with pytest.raises(KafkaMLError):
        ControlMessage.from_record(key, value)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3)
    ),
    max_leaves=5,
)
FIELD_NAMES = [*ControlMessage.model_fields, "more"]


@given(
    st.dictionaries(st.sampled_from(FIELD_NAMES), JSON), st.none() | st.binary(max_size=9)
)
def test_no_object_raises_anything_else(fields: dict[str, Any], key: bytes | None) -> None:
    try:
        message = ControlMessage.from_record(key, value_of(**fields))
    except ControlMessageError:
        return
    assert ControlMessage.from_record(message.to_key(), message.to_value()) == message


@given(range_texts())
def test_ranges_are_read_as_they_are_written(text: str) -> None:
    assert ",".join(str(each) for each in ranges_from_text(text)) == text


def test_touching_ranges_do_not_overlap() -> None:
    ranges = ranges_from_text("a:0:5:9, a:0:0:5,a:1:0:5,b:0:0:5")
    assert [len(each) for each in ranges] == [4, 5, 5, 5]
