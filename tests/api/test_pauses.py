from typing import Any

import httpx
import pytest

from tests.api.actors import Actors, code_of
from tests.api.outbox_reader import OutboxReader
from tests.api.scenarios import accepted, finished_training, new_inference


async def inferencer_of(api: Actors) -> httpx.AsyncClient:
    return await api.attempt("kafkaml-inference-1-1")


async def pause(replica: httpx.AsyncClient, **fields: Any) -> None:
    report = {"reason": "9 of 10 became dead letters", "resumptions": 0} | fields
    accepted(await replica.post("attempts/current/pause", json=report))


async def shown(api: Actors) -> Any:
    return accepted(await api.viewer.get("inferences/1"))


async def ordered(replica: httpx.AsyncClient) -> tuple[bool, int]:
    order = accepted(await replica.get("attempts/current"))["inference"]
    return order["is_paused"], order["resumptions"]


async def test_a_pause_is_shown_and_told_once_until_it_is_resumed(
    api: Actors, outbox: OutboxReader
) -> None:
    await new_inference(api)
    async with await inferencer_of(api) as replica:
        assert await ordered(replica) == (False, 0)
        await pause(replica)
        await pause(replica, reason="another replica")
        inference = await shown(api)
        assert inference["pause"]["reason"] == "9 of 10 became dead letters"
        assert inference["state"] == "starting"
        assert await ordered(replica) == (True, 0)

        accepted(await api.editor.post("inferences/1/resume"))
        resumed = accepted(await api.editor.post("inferences/1/resume"))
        assert resumed["pause"] is None
        assert await ordered(replica) == (False, 1)

        await pause(replica)  # sent before it heard of the resumption
        assert (await shown(api))["pause"] is None
        await pause(replica, resumptions=1)
        assert (await shown(api))["pause"] is not None
    assert [each for each in await outbox.events() if "inference" in each][1:] == [
        "inference.paused inferences/1",
        "inference.resumed inferences/1",
        "inference.paused inferences/1",
    ]


async def test_an_inference_that_is_over_is_neither_paused_nor_resumed(
    api: Actors,
) -> None:
    await new_inference(api)
    async with await inferencer_of(api) as replica:
        await pause(replica)
        assert accepted(await api.editor.post("inferences/1/stop"))["pause"] is None
        response = await api.editor.post("inferences/1/resume")
        assert (response.status_code, code_of(response)) == (409, "inference-over")


async def test_the_limit_has_a_default_and_can_be_left_out(api: Actors) -> None:
    training_id = await finished_training(api)
    default = {"rate": 0.9, "window_records": 10_000}
    assert (await new_inference(api, training_id))["dead_letter_limit"] == default
    without = await new_inference(
        api, training_id, output_topic="b", dead_letter_limit=None
    )
    assert without["dead_letter_limit"] is None
    limit = {"rate": 0.5, "window_records": 200}
    other = await new_inference(api, training_id, output_topic="c", dead_letter_limit=limit)
    assert other["dead_letter_limit"] == limit


@pytest.mark.parametrize(
    "limit", [{"rate": 0}, {"rate": 1.1}, {"window_records": 0}, {"ratio": 0.5}]
)
async def test_a_limit_that_cannot_be_is_refused(
    api: Actors, limit: dict[str, Any]
) -> None:
    body = {"training_id": 1, "input_topic": "a", "output_topic": "b"}
    wanted = body | {"dead_letter_limit": limit}
    response = await api.editor.post("inferences", json=wanted)
    assert (response.status_code, code_of(response)) == (422, "validation-failed")
