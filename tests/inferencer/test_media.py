"""Pictures and sounds in, answers out, on a real broker and with the real decoders."""

import numpy as np
import orjson

from kafkaml.records.media.encoding import png_of, wav_of
from kafkaml.schemas.attempts import InferenceOrder

from .replicas import running_replica
from .topics import Topics


def test_pictures_are_answered_and_what_is_none_is_a_dead_letter(
    kafka_bootstrap: str, topics: Topics, order: InferenceOrder
) -> None:
    order = order.model_copy(
        update={
            "input_format": "IMAGE",
            "input_config": {"height": 2, "width": 2, "channels": 1},
            "input_shape": [2, 2, 1],
        }
    )
    cut = png_of(np.zeros((2, 2, 1), np.uint8))[:-30]
    levels = range(1, 21)
    pictures = [png_of(np.full((2, 2, 1), level, np.uint8)) for level in levels]
    topics.send(order.input_topic, [*pictures[:9], cut, *pictures[9:]], partition=2)

    with running_replica(kafka_bootstrap, order):
        answers = topics.read(order.output_topic, len(pictures), seconds=120)
        [letter] = topics.read(order.dead_letter_topic, 1)

    values = sorted(orjson.loads(each.value())["values"] for each in answers)
    assert values == [[4 * level, level] for level in levels]
    headers = dict(letter.headers())
    assert letter.value() == cut
    assert headers["__kafkaml.errors.stage"] == b"decode"
    assert headers["__kafkaml.errors.offset"] == b"9"
    assert b"the value cannot be decoded" in headers["__kafkaml.errors.message"]


def test_sounds_are_answered_and_what_is_none_is_a_dead_letter(
    kafka_bootstrap: str, topics: Topics, order: InferenceOrder
) -> None:
    order = order.model_copy(
        update={
            "input_format": "AUDIO",
            "input_config": {"samples": 4, "rate": 8000},
            "input_shape": [4, 1],
        }
    )
    levels = [0.125, 0.25, 0.5]
    sounds = [wav_of(np.full((4, 1), level, np.float32), rate=8000) for level in levels]
    topics.send(order.input_topic, [sounds[0], b"RIFF", *sounds[1:]], partition=2)

    with running_replica(kafka_bootstrap, order):
        answers = topics.read(order.output_topic, len(sounds), seconds=120)
        [letter] = topics.read(order.dead_letter_topic, 1)

    values = sorted(orjson.loads(each.value())["values"] for each in answers)
    assert np.allclose(values, [[4 * level, level] for level in levels], atol=1e-3)
    assert letter.value() == b"RIFF"
    assert dict(letter.headers())["__kafkaml.errors.stage"] == b"decode"
