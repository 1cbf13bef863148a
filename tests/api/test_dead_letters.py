"""Dead letters, on a real Postgres and a real broker."""

import base64
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from confluent_kafka import TIMESTAMP_CREATE_TIME, Message, Producer

from api.config import ApiSettings, RelaySettings
from api.relay import create_relay_engine
from api.services.publisher import Publisher
from api.services.relay import Relay
from api.services.relay_metrics import RelayMetrics
from api.storage.outbox import Outbox
from inferencer.dead_letters import DeadLetterWriter
from inferencer.record import Headers, Record, Reply
from tests.api.actors import Actors, code_of
from tests.api.scenarios import accepted, new_inference
from tests.inferencer.topics import Topics

KEY = "Idempotency-Key"
DAY_MS = 86_400_000


@pytest.fixture
def settings(settings: ApiSettings, kafka_bootstrap: str) -> ApiSettings:
    return settings.model_copy(update={"bootstrap_servers": kafka_bootstrap})


@pytest.fixture
def topics(kafka_bootstrap: str) -> Topics:
    return Topics(kafka_bootstrap)


class Box:
    """An inference, and the dead letters of records of its input topic."""

    def __init__(self, api: Actors, topics: Topics, name: str) -> None:
        self.api = api
        self.topics = topics
        self.name = name
        self.path = ""
        self._offset = 0

    async def open(self) -> None:
        fields: Any = {"input_topic": self.name, "output_topic": f"{self.name}-out"}
        inference = await new_inference(self.api, **fields)
        self.path = f"inferences/{inference['id']}/dead-letters"
        self.topics.create(self.name, 3)
        large = {"max.message.bytes": "3000000"}
        self.topics.create(f"{self.name}-out.dlq", 2, config=large)

    def write(
        self,
        count: int = 1,
        *,
        stage: Any = "decode",
        topic: str | None = None,
        value: bytes | None = None,
        headers: Headers | None = None,
        partition: int | None = None,
        repeat: bool = False,
        short: bool = False,
    ) -> None:
        """Write letters as an inferencer does; each record is a day newer than before."""
        writer = DeadLetterWriter(topic=f"{self.name}-out.dlq")
        for _ in range(count):
            self._offset += not repeat
            record: Record = Message(
                value=value if value is not None else b"record %d" % self._offset,
                key=b"k\xff",
                headers=headers,
                topic=topic or self.name,
                partition=2,
                offset=self._offset,
                timestamp=(TIMESTAMP_CREATE_TIME, self._offset * DAY_MS),
            )
            letter = writer.write(record, stage=stage, error="BadRecord", reason="bad")
            letter = writer.shorten(letter, reason="large") if short else letter
            where = self._offset % 2 if partition is None else partition
            self._produce(letter, where)

    def _produce(self, letter: Reply, partition: int) -> None:
        servers = self.topics.bootstrap_servers
        producer = Producer({"bootstrap.servers": servers, "message.max.bytes": 3_000_000})
        producer.produce(
            letter.topic,
            letter.value,
            letter.key,
            partition,
            headers=letter.headers,
            timestamp=letter.timestamp_ms,
        )
        assert producer.flush(30) == 0

    async def page(self, **query: Any) -> Any:
        return accepted(await self.api.viewer.get(self.path, params=query))

    async def all(self, **query: Any) -> list[int]:
        """Return the offsets that the records of all pages had in the input topic."""
        offsets: list[int] = []
        cursor: dict[str, str] = {}
        while True:
            page = await self.page(**query, **cursor)
            offsets += [each["source"]["offset"] for each in page["items"]]
            if page["next_cursor"] is None:
                return offsets
            cursor = {"cursor": page["next_cursor"]}

    async def send(self, body: dict[str, Any], **headers: str) -> httpx.Response:
        path = f"{self.path}/send"
        return await self.api.editor.post(path, json=body, headers=headers)

    async def sent(self, body: dict[str, Any], **headers: str) -> Any:
        return accepted(await self.send(body, **headers))


@pytest.fixture
async def box(api: Actors, topics: Topics, topic_name: Callable[[str], str]) -> Box:
    box = Box(api, topics, topic_name("in"))
    await box.open()
    return box


async def relay_letters(settings: ApiSettings) -> None:
    """Do what the relay of letters does, until nothing is left."""
    relay_settings = RelaySettings(
        database_url=settings.database_url, bootstrap_servers=settings.bootstrap_servers
    )
    engine = create_relay_engine(relay_settings)
    publisher = Publisher(relay_settings)
    async with engine.connect() as connection:
        outbox = Outbox(connection, letters=True)
        relay = Relay(outbox=outbox, publisher=publisher, metrics=RelayMetrics())
        while await relay.relay_batch():
            pass
    await publisher.close()
    await engine.dispose()


async def test_a_letter_is_shown_with_its_record_and_the_reason(box: Box) -> None:
    box.write(value=b"\x00\xff", headers=[("trace", b"7"), ("none", None)])
    (letter,) = (await box.page())["items"]
    assert (letter["partition"], letter["offset"]) == (1, 0)
    assert letter["source"] == {"topic": box.name, "partition": 2, "offset": 1}
    assert (letter["stage"], letter["reason"], letter["message"]) == (
        "decode",
        "BadRecord",
        "bad",
    )
    assert letter["timestamp"] == "1970-01-02T00:00:00Z"
    assert letter["value"] == {
        "size_bytes": 2,
        "base64": base64.b64encode(b"\x00\xff").decode(),
        "text": None,
        "is_cut": False,
    }
    assert [each["name"] for each in letter["headers"]] == ["trace", "none"]
    assert (letter["headers"][0]["value"]["text"], letter["headers"][1]["value"]) == (
        "7",
        None,
    )
    assert letter["sent_at"] is None
    assert accepted(await box.api.viewer.get(f"{box.path}/1/0")) == letter
    for nowhere in ("1/1", "0/0", "9/0", "1/99999999"):
        response = await box.api.viewer.get(f"{box.path}/{nowhere}")
        assert (response.status_code, code_of(response)) == (404, "not-found")


async def test_pages_go_through_all_partitions_by_time(box: Box) -> None:
    box.write(30)
    box.write(topic="another-input")
    assert await box.all(limit=7) == list(range(30, 0, -1))
    assert await box.all(limit=7, order="oldest") == list(range(1, 31))


async def test_long_values_are_cut_in_lists(box: Box) -> None:
    box.write(value=b"x" + "é".encode() * 5000)
    (letter,) = (await box.page())["items"]
    assert (letter["value"]["size_bytes"], letter["value"]["is_cut"]) == (10_001, True)
    assert letter["value"]["text"].startswith("xéé")
    whole = accepted(await box.api.viewer.get(f"{box.path}/1/0"))["value"]
    assert (len(whole["text"]), whole["is_cut"]) == (5001, False)


async def test_letters_are_found_by_stage_reason_and_time(box: Box) -> None:
    box.write(2)
    box.write(2, stage="predict")
    assert await box.all(stage="predict") == [4, 3]
    assert await box.all(reason="NoSuchError") == []
    assert await box.all(since="1970-01-03T00:00:00Z", until="1970-01-05T00:00:00Z") == [
        3,
        2,
    ]


async def test_a_cursor_of_another_make_is_refused(box: Box) -> None:
    for cursor in ("x", "1-5-5", "1-0-9.1-0-9", "1-0-99999999999999999999", ""):
        response = await box.api.viewer.get(box.path, params={"cursor": cursor})
        assert (response.status_code, code_of(response)) == (422, "bad-cursor"), cursor


async def test_a_record_is_sent_as_it_was_and_once(box: Box, settings: ApiSettings) -> None:
    box.write(value=b"\x00\xff", headers=[("trace", b"\xfe"), ("none", None)])
    place = {"partition": 1, "offset": 0}
    assert await box.sent({"letters": [place]}) == {
        "inference_id": 1,
        "sent": 1,
        "already_sent": 0,
        "refused": [],
        "next_cursor": None,
    }
    await relay_letters(settings)
    (record,) = box.topics.read(box.name, 1)
    assert (record.partition(), record.key(), record.value()) == (2, b"k\xff", b"\x00\xff")
    assert record.timestamp() == (1, DAY_MS)
    assert record.headers() == [
        ("trace", b"\xfe"),
        ("none", None),
        ("kafkaml-resent", f"{box.name}-out.dlq/1/0".encode()),
    ]
    again = await box.sent({"letters": [place, place]})
    assert (again["sent"], again["already_sent"]) == (0, 2)
    (letter,) = (await box.page())["items"]
    assert letter["sent_at"] is not None


async def test_a_record_with_two_letters_is_sent_once(
    box: Box, settings: ApiSettings
) -> None:
    box.write()
    box.write(repeat=True)
    answer = await box.sent({"all": True})
    assert (answer["sent"], answer["already_sent"]) == (1, 1)
    await relay_letters(settings)
    assert box.topics.count(box.name) == 1


async def test_all_are_sent_page_by_page_with_an_end(
    box: Box, settings: ApiSettings
) -> None:
    box.write(5)
    body: dict[str, Any] = {"all": True, "limit": 2}
    answers = [await box.sent(body, **{KEY: "first"})]
    assert await box.sent(body, **{KEY: "first"}) == answers[0]
    box.write(3)  # what fails anew meanwhile
    while cursor := answers[-1]["next_cursor"]:
        answers.append(await box.sent(body | {"cursor": cursor}))
    assert [each["sent"] for each in answers] == [2, 2, 1]
    answer = await box.sent({"all": True})
    assert (answer["sent"], answer["already_sent"]) == (3, 5)
    await relay_letters(settings)
    values = sorted(each.value() for each in box.topics.read(box.name, 8))
    assert values == [b"record %d" % number for number in range(1, 9)]


async def test_only_what_a_filter_lets_pass_is_sent(box: Box) -> None:
    box.write(2)
    box.write(3, stage="predict")
    answer = await box.sent({"filter": {"stage": "predict", "reason": "BadRecord"}})
    assert (answer["sent"], answer["already_sent"]) == (3, 0)


async def test_what_cannot_be_sent_is_named_with_the_reason(box: Box) -> None:
    box.write(short=True)
    box.write(value=b"x" * 2**20)
    answer = await box.sent({"all": True})
    messages = sorted(each["message"] for each in answer["refused"])
    assert answer["sent"] == 0
    assert "1048576 at most" in messages[0]
    assert "holds only its place" in messages[1]
    answer = await box.sent({"letters": [{"partition": 0, "offset": 99}]})
    assert "no dead letter" in answer["refused"][0]["message"]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"all": False},
        {"all": True, "filter": {}},
        {"letters": []},
        {"letters": [{"partition": 0, "offset": 0}], "cursor": "0-0-1"},
        {"all": True, "limit": 1001},
        {"filter": {"since": "yesterday"}},
        {"all": True, "cursor": "?"},
    ],
)
async def test_a_wish_that_is_not_clear_is_refused(box: Box, body: dict[str, Any]) -> None:
    assert (await box.send(body)).status_code == 422


async def test_where_there_is_no_topic_there_are_no_letters(
    api: Actors, topics: Topics, topic_name: Callable[[str], str]
) -> None:
    name = topic_name("in")
    await new_inference(api, input_topic=name, output_topic=f"{name}-out")
    path = "inferences/1/dead-letters"
    page = accepted(await api.viewer.get(path))
    assert page == {"items": [], "next_cursor": None}
    assert code_of(await api.viewer.get(f"{path}/0/0")) == "not-found"
    response = await api.editor.post(f"{path}/send", json={"all": True})
    assert (response.status_code, code_of(response)) == (409, "topic-missing")
    assert (
        not {name, f"{name}-out.dlq"} & topics.admin.list_topics(timeout=10).topics.keys()
    )


async def test_letters_on_another_cluster_are_not_reached(api: Actors) -> None:
    await new_inference(api, output_cluster="edge")
    await new_inference(api, input_cluster="edge", output_topic="far")
    first = await api.viewer.get("inferences/1/dead-letters")
    assert (first.status_code, code_of(first)) == (409, "other-cluster")
    body = {"all": True}
    second = await api.editor.post("inferences/2/dead-letters/send", json=body)
    assert code_of(second) == "other-cluster"
    assert (await api.viewer.get("inferences/2/dead-letters")).status_code == 200


async def test_nothing_is_sent_to_an_inference_that_is_over(box: Box) -> None:
    box.write()
    accepted(await box.api.editor.post("inferences/1/stop"))
    response = await box.send({"all": True})
    assert (response.status_code, code_of(response)) == (409, "inference-over")
    assert len(await box.all()) == 1


class TestWithoutKafka:
    @pytest.fixture
    def settings(self, settings: ApiSettings) -> ApiSettings:
        return settings.model_copy(update={"bootstrap_servers": "127.0.0.1:1"})

    async def test_letters_are_not_available(self, api: Actors) -> None:
        await new_inference(api)
        for response in (
            await api.viewer.get("inferences/1/dead-letters"),
            await api.editor.post("inferences/1/dead-letters/send", json={"all": True}),
        ):
            assert (response.status_code, code_of(response)) == (503, "unavailable")
            assert "Retry-After" in response.headers
