"""The guides to streams and inferences show what works: their examples are run."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from pydantic import SecretStr

from kafkaml.client import Client
from kafkaml.config import KafkaSettings
from kafkaml.control import ControlMessage
from kafkaml.exceptions import ClientError
from kafkaml.formats import stream_format
from kafkaml.kafka import cluster_config
from kafkaml.records.media.encoding import png_of
from kafkaml.schemas.datasources import DatasourceSend
from kafkaml.schemas.inferences import InferenceCreate
from tests.kafkaml.client.examples import DATASOURCE
from tests.kafkaml.logs import read_announcements

DOCS = Path(__file__).parents[2] / "docs"
STREAMS, INFERENCE = (
    (DOCS / f"{name}.md").read_text() for name in ("streams", "inference")
)
FLAC = b"fLaC\0\0\0\x22" + bytes(10) + (16_000 << 44 | 15 << 36 | 80).to_bytes(8, "big")


def blocks(guide: str, language: str = "python") -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", guide, re.DOTALL)


def sinks() -> list[str]:
    return [block for block in blocks(STREAMS) if "Sink(" in block]


def run(block: str, **names: Any) -> None:
    exec(compile(block, "<guide>", "exec"), names)


@pytest.fixture
def announcements(
    kafka_bootstrap: str, topic_name: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> Callable[[], list[ControlMessage]]:
    """Let sinks write to the test's broker; return what reads what they announce."""
    control = topic_name("control")
    monkeypatch.setenv("KAFKA_ML_BOOTSTRAP_SERVERS", kafka_bootstrap)
    monkeypatch.setenv("KAFKA_ML_CONTROL_TOPIC", control)
    return lambda: read_announcements(kafka_bootstrap, control)


def test_every_sink_that_is_shown_announces_a_stream(
    announcements: Callable[[], list[ControlMessage]],
    topic_name: Callable[[str], str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    images, labels = np.zeros((3, 8, 8), np.uint8), np.arange(3)
    names = {
        "images": images,
        "labels": labels,
        "image": images[0],
        "label": labels[0],
        "samples": list(zip(images, labels, strict=True)),
    }
    monkeypatch.chdir(tmp_path)
    (tmp_path / "cells").mkdir()
    (tmp_path / "cells" / "1.png").write_bytes(png_of(np.zeros((64, 64, 3), np.uint8)))
    (tmp_path / "yes.flac").write_bytes(FLAC)

    for block in sinks():
        own = re.sub(r'topic="(\w+)"', lambda m: f'topic="{topic_name(m[1])}"', block)
        run("from kafkaml.sinks import RawSink\n" + own, **names)

    announced = announcements()
    counts = [(each.input_format, each.total_msg) for each in announced]
    assert counts == [("RAW", 4), ("RAW", None), ("AVRO", 1), ("IMAGE", 1), ("AUDIO", 1)]
    for each in announced:
        stream_format(each.input_format, each.input_config)


def test_the_control_message_that_is_shown_is_one() -> None:
    [shown] = blocks(STREAMS, "json")
    message = ControlMessage.from_record((7).to_bytes(), shown.encode())
    assert message.total_msg == sum(len(each) for each in message.ranges)
    stream_format(message.input_format, message.input_config)


def test_a_stream_is_sent_again_as_shown() -> None:
    sent: list[DatasourceSend] = []

    def answer(request: httpx.Request) -> httpx.Response:
        if request.method == "GET":
            return httpx.Response(200, json={"items": [DATASOURCE]})
        assert request.url.path == "/api/v1/datasources/5/send"
        sent.append(DatasourceSend.model_validate_json(request.content))
        return httpx.Response(202, json=DATASOURCE)

    [block] = [each for each in blocks(STREAMS) if "client." in each]
    run(block, client=client(answer))
    assert [each.deployment_id for each in sent] == [2]


def test_every_inference_that_is_shown_is_one() -> None:
    shown = [block for block in blocks(INFERENCE) if ".create(" in block]
    assert len(shown) > 2
    asked: list[InferenceCreate] = []

    def refuse(request: httpx.Request) -> httpx.Response:
        asked.append(InferenceCreate.model_validate_json(request.content))
        return httpx.Response(404)

    for block in shown:
        with pytest.raises(ClientError):
            run(block, client=client(refuse))
    assert len(asked) == len(shown)


def test_every_example_is_run_or_compiles() -> None:
    for block in blocks(INFERENCE) + blocks(STREAMS):
        compile(re.sub(r"(?m)^>>> (.*)\n.*", r"\1", block), "<guide>", "exec")


def test_the_clusters_that_are_shown_are_a_setting() -> None:
    [shown] = [each for each in blocks(INFERENCE, "sh") if "KAFKA_CLUSTERS" in each]
    value = shown.split("=", 1)[1].strip().strip("'")
    config = cluster_config(KafkaSettings(kafka_clusters=SecretStr(value)), "edge")
    assert config["sasl.mechanism"] == "SCRAM-SHA-512"


def client(answer: Callable[[httpx.Request], httpx.Response]) -> Client:
    transport = httpx.MockTransport(answer)
    return Client("http://test", "kml_test", retry_for=0, transport=transport)
