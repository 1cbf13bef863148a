"""Domain events: CloudEvents in Kafka's binary mode, read by old and new readers alike."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kafkaml.events import (
    EVENT_TYPES,
    CloudEvent,
    DomainEvent,
    InferenceFailed,
    TrainingProgressed,
    UnknownEvent,
)

numbers = st.integers(0, 2**63 - 1)
finite = st.floats(allow_nan=False, allow_infinity=False)
BY_ANNOTATION: dict[str, st.SearchStrategy[Any]] = {
    "<class 'int'>": numbers,
    "<class 'str'>": st.text(max_size=9),
    "str | None": st.none() | st.text(max_size=9),
    "int | None": st.none() | numbers,
    "float | None": st.none() | finite,
    "dict[str, float | None]": st.dictionaries(st.text(max_size=5), st.none() | finite),
}
KNOWN = [each for each in EVENT_TYPES.values() if each is not UnknownEvent]


@st.composite
def events(draw: st.DrawFn) -> DomainEvent:
    event_type = draw(st.sampled_from(KNOWN))
    strategies: dict[str, st.SearchStrategy[Any]] = {
        name: BY_ANNOTATION[str(field.annotation)]
        for name, field in event_type.model_fields.items()
    }
    return draw(st.builds(event_type, **strategies))


@given(events())
def test_what_is_written_is_read(event: DomainEvent) -> None:
    written = CloudEvent.of(event)
    read = CloudEvent.from_record(written.to_value(), written.to_headers())
    assert read == written
    assert read.data == event
    assert type(read.data) is type(event)


def test_the_envelope_is_that_of_cloudevents_in_binary_mode() -> None:
    event = CloudEvent(
        id=UUID(int=1),
        time=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
        type="inference.failed",
        subject="inferences/4",
        data=InferenceFailed(id=4, training_id=3, reason="image", message="it is absent"),
    )
    assert dict(event.to_headers()) == {
        "ce_specversion": b"1.0",
        "ce_id": b"00000000-0000-0000-0000-000000000001",
        "ce_source": b"/kafka-ml/api",
        "ce_type": b"inference.failed",
        "ce_subject": b"inferences/4",
        "ce_time": b"2026-01-02T03:04:05+00:00",
        "content-type": b"application/json",
    }
    assert orjson.loads(event.to_value()) == {
        "id": 4,
        "training_id": 3,
        "reason": "image",
        "message": "it is absent",
    }


def test_events_about_one_thing_have_one_key() -> None:
    event = TrainingProgressed(
        id=7, deployment_id=1, attempt=1, epoch=2, epochs=3, values={"loss": None}
    )
    assert CloudEvent.of(event).to_key() == b"trainings/7"
    assert CloudEvent.of(event).id != CloudEvent.of(event).id


def test_types_are_facts_about_what_they_are_about() -> None:
    assert len(EVENT_TYPES) >= 20
    for name, event_type in EVENT_TYPES.items():
        assert event_type.type == name
        if event_type is not UnknownEvent:
            assert event_type.collection == f"{name.partition('.')[0]}s"


def test_a_type_of_a_later_version_can_be_skipped() -> None:
    headers = CloudEvent.of(
        InferenceFailed(id=4, training_id=3, reason="image", message="")
    ).to_headers()
    later = [(name, b"model.sold" if name == "ce_type" else each) for name, each in headers]
    read = CloudEvent.from_record(b'{"price": 3}', later)
    assert read.type == "model.sold"
    assert isinstance(read.data, UnknownEvent)


def test_a_field_of_a_later_version_is_ignored() -> None:
    event = CloudEvent.of(
        InferenceFailed(id=4, training_id=3, reason="image", message="it is absent")
    )
    value = event.to_value()[:-1] + b',"more":1}'
    assert CloudEvent.from_record(value, event.to_headers()) == event


@pytest.mark.parametrize("absent", ["ce_id", "ce_type", "ce_time", "ce_subject"])
def test_a_record_without_an_envelope_is_no_event(absent: str) -> None:
    event = CloudEvent.of(InferenceFailed(id=4, training_id=3, reason="image", message=""))
    headers = [each for each in event.to_headers() if each[0] != absent]
    with pytest.raises(ValueError, match=f"no header '{absent}'"):
        CloudEvent.from_record(event.to_value(), headers)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("ce_id", b"1"),
        ("ce_id", None),
        ("ce_time", b"yesterday"),
        ("ce_type", b"\xff"),
        ("ce_type", b"training.failed"),
    ],
)
def test_a_broken_envelope_is_no_event(name: str, content: bytes | None) -> None:
    event = CloudEvent.of(InferenceFailed(id=4, training_id=3, reason="image", message=""))
    headers = [*event.to_headers(), (name, content)]
    with pytest.raises(ValueError):  # noqa: PT011
        CloudEvent.from_record(event.to_value(), headers)


@given(
    st.binary(max_size=50),
    st.lists(
        st.tuples(
            st.sampled_from(["ce_id", "ce_type", "ce_time", "ce_subject", "more"]),
            st.none() | st.binary(max_size=9),
        )
    ),
)
def test_no_record_raises_anything_else(
    value: bytes, headers: list[tuple[str, bytes | None]]
) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        CloudEvent.from_record(value, headers)
