"""Any calls in any order leave a training in a state that makes sense."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as bounded
from hypothesis import strategies as st

from tests.api.actors import Actors, client
from tests.api.outbox_reader import OutboxReader
from tests.api.scenarios import (
    accepted,
    new_deployment,
    observe,
    put_artifact,
    result_report,
    training_of,
    valid_model,
)

MAX_ATTEMPTS = 3
FINAL = {"finished", "failed", "stopped"}
REPORTS: dict[str, tuple[str, dict[str, Any]]] = {
    "wait": ("progress", {"state": "waiting"}),
    "train": ("progress", {"state": "training"}),
    "epoch": ("epochs", {"epoch": 1, "values": {"loss": 0.5}}),
    "result": ("result", result_report()),
    "give up": ("failure", {"reason": "platform", "message": "m", "retryable": True}),
    "fail": ("failure", {"reason": "diverged", "message": "m"}),
}
EXIT_CODES = {"lost": 137, "drained": 143, "exit 0": 0}
STEPS = ["mint", "upload", "stop", "retry", *REPORTS, *EXIT_CODES]


class Story:
    """One training, and a token of each attempt that was begun."""

    def __init__(self, api: Actors, training_id: int) -> None:
        self.api = api
        self.path = f"trainings/{training_id}"
        self.training_id = training_id
        self.secrets: dict[int, str] = {}

    async def step(self, step: str, attempt: int) -> int:
        """Do one thing on behalf of an attempt, which may be a stale one."""
        name = f"kafkaml-training-{self.training_id}-{attempt}"
        match step:
            case "mint":
                response = await self.api.orchestrator.post(f"workloads/{name}/token")
                if response.is_success:
                    self.secrets[attempt] = response.json()["token"]
                return response.status_code
            case "stop" | "retry":
                return (await self.api.editor.post(f"{self.path}/{step}")).status_code
            case "lost" | "drained" | "exit 0":
                seen = await observe(self.api, name, exit_code=EXIT_CODES[step])
                return seen.status_code
        return await self._report(step, attempt)

    async def _report(self, step: str, attempt: int) -> int:
        async with client(self.api.transport, self.secrets.get(attempt)) as trainer:
            if step == "upload":
                return (await put_artifact(trainer)).status_code
            path, body = REPORTS[step]
            response = await trainer.post(f"attempts/current/{path}", json=body)
            return response.status_code


@pytest.fixture
async def model_id(api: Actors) -> int:
    return await valid_model(api)


@bounded(
    max_examples=15,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    steps=st.lists(
        st.tuples(st.sampled_from(STEPS), st.integers(0, 1)), min_size=5, max_size=20
    )
)
async def test_any_order_of_calls_makes_sense(
    api: Actors, outbox: OutboxReader, model_id: int, steps: list[tuple[str, int]]
) -> None:
    deployment = await new_deployment(api, model_id, max_attempts=MAX_ATTEMPTS)
    story = Story(api, deployment["trainings"][0]["id"])
    before = await training_of(api, story.training_id)
    for step, age in steps:
        stale = max(1, before["attempt"] - age)
        status = await story.step(step, stale)
        assert status < 500
        after = await training_of(api, story.training_id)
        assert_sensible(step, stale, before, after)
        before = after
    events = [each for each in await outbox.events() if each.endswith(story.path)]
    ends = sum(each.split(" ")[0] == "training.finished" for each in events)
    assert ends == (1 if before["state"] == "finished" else 0)
    accepted(await api.editor.post(f"{story.path}/stop"))


def assert_sensible(step: str, attempt: int, before: Any, after: Any) -> None:
    assert after["attempt"] in {before["attempt"], before["attempt"] + 1}
    if before["state"] == "finished":
        assert after == before
    if before["state"] in FINAL and step != "retry":
        assert after == before
    if attempt < before["attempt"] and step not in {"stop", "retry"}:
        assert after == before
    if after["attempt"] > before["attempt"]:
        assert (after["state"], after["epoch"]) == ("queued", 0)
    assert (after["result"] is not None) == (after["state"] == "finished")
    assert (after["failure"] is not None) == (after["state"] == "failed")
    assert (after["artifact"] is not None) == (after["state"] == "finished")
    assert (after["finished_at"] is not None) == (after["state"] in FINAL)
