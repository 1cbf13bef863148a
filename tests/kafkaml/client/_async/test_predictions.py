from collections.abc import Callable

import numpy as np
import pytest

from kafkaml.exceptions import PredictionError
from tests.kafkaml.client import examples
from tests.kafkaml.client._async.conftest import Connect
from tests.kafkaml.client.answering import Topics, answering_sums
from tests.kafkaml.client.fake_api import FakeApi, answer


async def test_an_inference_is_asked_over_its_topics(
    connect: Connect,
    kafka_bootstrap: str,
    topic_name: Callable[[str], str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("KAFKA_ML_BOOTSTRAP_SERVERS", kafka_bootstrap)
    topics = Topics(input=topic_name("in"), output=topic_name("out"))
    topics.create(kafka_bootstrap)
    inference = {
        **examples.INFERENCE,
        "input_topic": topics.input,
        "output_topic": topics.output,
        "input_config": {"data_type": "uint8", "data_reshape": "2"},
    }
    client = connect("http://api.test", transport=FakeApi(answer(inference)))
    with answering_sums(topics, kafka_bootstrap):
        sums = await client.inferences.predict(
            6, np.array([[1, 2], [3, 4]], np.uint8), timeout=30
        )
    assert sums.tolist() == [[3], [7]]


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"output_format": "RAW"}, "answers in RAW"),
        ({"output_cluster": "edge"}, "other clusters"),
    ],
)
async def test_answers_that_cannot_be_read_here_are_not_waited_for(
    connect: Connect, fields: dict[str, str], reason: str
) -> None:
    client = connect(
        "http://api.test", transport=FakeApi(answer(examples.INFERENCE | fields))
    )
    with pytest.raises(PredictionError, match=reason):
        await client.inferences.predict(6, np.zeros((1, 2)))
