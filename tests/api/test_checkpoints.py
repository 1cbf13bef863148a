"""Checkpoints: kept while they can be of use, given to the attempt that can use them."""

import hashlib
from datetime import timedelta

import httpx
import pytest
from fastapi import FastAPI

from api.components import Components
from tests.api.actors import Actors, code_of
from tests.api.scenarios import (
    accepted,
    new_model,
    new_training,
    observe,
    result_report,
    trainer_of,
    training_of,
    upload,
)

PATH = "attempts/current/checkpoint"
CONTENT = b"weights" * 1000


async def put(
    trainer: httpx.AsyncClient, content: bytes = CONTENT, *, digest: str | None = None
) -> httpx.Response:
    headers = {
        "X-Content-SHA256": digest or hashlib.sha256(content).hexdigest(),
        "Content-Type": "application/octet-stream",
    }
    return await trainer.put(PATH, content=content, headers=headers)


async def ordered(trainer: httpx.AsyncClient) -> object:
    return accepted(await trainer.get("attempts/current"))["training"]["checkpoint"]


async def lose(api: Actors, training_id: int) -> None:
    attempt = (await training_of(api, training_id))["attempt"]
    name = f"kafkaml-training-{training_id}-{attempt}"
    accepted(await observe(api, name, exit_code=5))


@pytest.fixture
def components(app: FastAPI) -> Components:
    found = app.state.components
    assert isinstance(found, Components)
    return found


@pytest.fixture
def stored(components: Components) -> "Stored":
    return Stored(components)


class Stored:
    """What the store holds of checkpoints."""

    def __init__(self, components: Components) -> None:
        self._components = components

    async def keys(self) -> set[str]:
        files = self._components.artifacts.list("checkpoints")
        return {each.key async for each in files}

    async def sweep(self, *, grace: timedelta = timedelta(0)) -> int:
        return await self._components.checkpoint_sweeper.sweep(grace=grace)


async def test_the_next_attempt_goes_on_where_the_last_one_was(api: Actors) -> None:
    training_id = await new_training(api)
    trainer = await trainer_of(api, training_id)
    assert await ordered(trainer) is None
    nothing = await trainer.get(PATH)
    assert (nothing.status_code, code_of(nothing)) == (404, "not-found")
    kept = accepted(await put(trainer))
    assert kept["size_bytes"] == len(CONTENT)
    await lose(api, training_id)

    successor = await trainer_of(api, training_id)
    assert await ordered(successor) == kept
    answer = await successor.get(PATH)
    assert answer.content == CONTENT
    assert answer.headers["X-Content-SHA256"] == kept["sha256"]


async def test_the_same_attempt_goes_on_in_another_place(api: Actors) -> None:
    training_id = await new_training(api)
    kept = accepted(await put(await trainer_of(api, training_id)))
    assert await ordered(await trainer_of(api, training_id)) == kept


async def test_a_checkpoint_takes_the_place_of_the_one_before(
    api: Actors, stored: Stored
) -> None:
    training_id = await new_training(api)
    trainer = await trainer_of(api, training_id)
    for content in (b"one", b"two", b"two"):
        kept = accepted(await put(trainer, content))
        assert await stored.keys() == {f"checkpoints/{training_id}/{kept['sha256']}"}
        assert (await trainer.get(PATH)).content == content


async def test_what_is_not_whole_leaves_the_one_before(api: Actors) -> None:
    trainer = await trainer_of(api, await new_training(api))
    accepted(await put(trainer))
    wrong = await put(trainer, digest=hashlib.sha256(b"other").hexdigest())
    assert (wrong.status_code, code_of(wrong)) == (422, "digest-mismatch")
    large = await put(trainer, b"x" * 1_000_001)
    assert (large.status_code, code_of(large)) == (413, "body-too-large")
    assert (await trainer.get(PATH)).content == CONTENT


async def test_an_attempt_that_is_over_neither_gives_nor_gets(api: Actors) -> None:
    training_id = await new_training(api)
    trainer = await trainer_of(api, training_id)
    accepted(await put(trainer))
    await lose(api, training_id)
    for answer in (await put(trainer, b"late"), await trainer.get(PATH)):
        assert (answer.status_code, code_of(answer)) == (409, "attempt-over")
    successor = await trainer_of(api, training_id)
    assert (await successor.get(PATH)).content == CONTENT


async def test_nobody_gets_the_checkpoint_of_another_training(api: Actors) -> None:
    accepted(await put(await trainer_of(api, await new_training(api))))
    other = await trainer_of(api, await new_training(api))
    assert (await other.get(PATH)).status_code == 404
    for user in (api.viewer, api.admin):
        assert (await user.get(PATH)).status_code == 403
    number = await new_model(api)  # the only version of the model has its number
    checker = await api.attempt(f"kafkaml-check-{number}-1")
    assert (await put(checker)).status_code == 409


async def test_after_the_result_it_is_removed(api: Actors, stored: Stored) -> None:
    training_id = await new_training(api)
    trainer = await trainer_of(api, training_id)
    accepted(await put(trainer))
    assert await stored.sweep() == 0
    await upload(trainer)
    accepted(await trainer.post("attempts/current/result", json=result_report()))
    assert await stored.sweep(grace=timedelta(hours=1)) == 0  # it was just stored
    assert await stored.sweep() == 1
    assert await stored.keys() == set()


async def test_after_a_failure_for_good_a_retry_begins_anew(
    api: Actors, stored: Stored
) -> None:
    training_id = await new_training(api)
    trainer = await trainer_of(api, training_id)
    accepted(await put(trainer))
    failure = {"reason": "diverged", "message": "the loss is not a number"}
    accepted(await trainer.post("attempts/current/failure", json=failure))
    assert await stored.sweep() == 1
    accepted(await api.editor.post(f"trainings/{training_id}/retry"))
    assert await ordered(await trainer_of(api, training_id)) is None


async def test_a_stopped_training_goes_on_when_it_is_tried_again(
    api: Actors, stored: Stored
) -> None:
    training_id = await new_training(api)
    kept = accepted(await put(await trainer_of(api, training_id)))
    accepted(await api.editor.post(f"trainings/{training_id}/stop"))
    assert await stored.sweep() == 0
    accepted(await api.editor.post(f"trainings/{training_id}/retry"))
    assert await ordered(await trainer_of(api, training_id)) == kept


async def test_with_the_training_its_checkpoint_goes(api: Actors, stored: Stored) -> None:
    training_id = await new_training(api)
    accepted(await put(await trainer_of(api, training_id)))
    accepted(await api.editor.post(f"trainings/{training_id}/stop"))
    deployment_id = (await training_of(api, training_id))["deployment_id"]
    accepted(await api.editor.delete(f"deployments/{deployment_id}"))
    assert await stored.sweep() == 1


async def test_a_checkpoint_that_the_store_has_lost_is_missing(
    api: Actors, components: Components
) -> None:
    training_id = await new_training(api)
    trainer = await trainer_of(api, training_id)
    kept = accepted(await put(trainer))
    await components.artifacts.delete(f"checkpoints/{training_id}/{kept['sha256']}")
    answer = await trainer.get(PATH)
    assert (answer.status_code, code_of(answer)) == (404, "artifact-missing")
