"""How far a fit is: told by its trainer, seen by users."""

import pytest

from tests.api.actors import Actors, code_of
from tests.api.outbox_reader import OutboxReader
from tests.api.scenarios import (
    accepted,
    new_training,
    trainer_of,
    training_of,
)

PROGRESS = {
    "epoch": 2,
    "step": 30,
    "steps": 57,
    "records_per_second": 1250.5,
    "eta_seconds": 12.0,
    "fold": None,
    "records": None,
}


async def test_progress_is_seen_in_the_training_and_told_as_an_event(
    api: Actors, outbox: OutboxReader
) -> None:
    training_id = await new_training(api, epochs=4)
    trainer = await trainer_of(api, training_id)
    body = {"state": "training", "progress": PROGRESS}
    accepted(await trainer.post("attempts/current/progress", json=body))
    training = await training_of(api, training_id)
    assert training["state"] == "training"
    assert training["progress"] == PROGRESS
    assert training["epoch"] == 0
    assert (await outbox.events())[-2:] == [
        f"training.started trainings/{training_id}",
        f"training.stepped trainings/{training_id}",
    ]


async def test_the_next_attempt_begins_without_progress(api: Actors) -> None:
    training_id = await new_training(api)
    trainer = await trainer_of(api, training_id)
    body = {"state": "training", "progress": PROGRESS}
    accepted(await trainer.post("attempts/current/progress", json=body))
    accepted(await api.editor.post(f"trainings/{training_id}/stop"))
    assert (await training_of(api, training_id))["progress"] == PROGRESS
    again = accepted(await api.editor.post(f"trainings/{training_id}/retry"))
    assert again["progress"] is None


@pytest.mark.parametrize(
    "broken", [{"epoch": 0}, {"step": -1}, {"steps": 0}, {"eta_seconds": -1}]
)
async def test_progress_that_cannot_be_is_refused(
    api: Actors, broken: dict[str, int]
) -> None:
    trainer = await trainer_of(api, await new_training(api))
    response = await trainer.post(
        "attempts/current/progress",
        json={"state": "training", "progress": PROGRESS | broken},
    )
    assert response.status_code == 422
    assert code_of(response) == "validation-failed"
