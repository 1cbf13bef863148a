from typing import Any

import pytest

from kafkaml.exceptions import WaitFailedError, WaitTimeoutError
from kafkaml.schemas.deployments import Deployment
from kafkaml.schemas.states import TrainingState
from tests.kafkaml.client import examples
from tests.kafkaml.client._async.conftest import Connect
from tests.kafkaml.client.fake_api import FakeApi, answer

URL = "http://api.test"

FAILURE = {"reason": "model_code", "message": "the loss is missing"}


def model(**version: Any) -> Any:
    return answer({**examples.MODEL, "version": {**examples.VERSION, **version}})


def training(state: str, **fields: Any) -> dict[str, Any]:
    return {**examples.TRAINING, "state": state, **fields}


def deployment(*trainings: dict[str, Any]) -> Any:
    return answer({**examples.DEPLOYMENT, "trainings": trainings})


async def test_a_model_is_awaited_until_it_is_valid(connect: Connect) -> None:
    api = FakeApi(model(state="checking"), model(state="checking"), model(state="valid"))
    client = connect(URL, transport=api)
    assert (await client.models.wait_checked(1)).version.state == "valid"


async def test_an_invalid_model_is_told_with_its_line(connect: Connect) -> None:
    error = {"message": "name 'keras' is not defined", "line": 3}
    api = FakeApi(model(state="invalid", error=error))
    client = connect(URL, transport=api)
    with pytest.raises(WaitFailedError, match="invalid: line 3: name 'keras'"):
        await client.models.wait_checked(1)


async def test_a_wait_ends_in_time(connect: Connect) -> None:
    api = FakeApi(*[model(state="checking") for _ in range(20)])
    client = connect(URL, transport=api)
    with pytest.raises(WaitTimeoutError, match=r"model 1 .* 0.3 seconds"):
        await client.models.wait_checked(1, timeout=0.3)


async def test_a_deployment_is_awaited_and_followed(connect: Connect) -> None:
    queued = training("queued")
    api = FakeApi(
        deployment(queued, queued),
        deployment(queued, queued),
        deployment(queued, training("training")),
        deployment(training("finished"), training("stopped")),
    )
    seen: list[Deployment] = []
    client = connect(URL, transport=api)
    last = await client.deployments.wait_finished(3, 10, seen.append)
    assert [[each.state for each in d.trainings] for d in seen] == [
        ["queued", "queued"],
        ["queued", "training"],
        ["finished", "stopped"],
    ]
    assert seen[-1] == last


async def test_a_failed_training_is_told_unless_unwanted(connect: Connect) -> None:
    failed = training("failed", failure=FAILURE)
    api = FakeApi(deployment(failed), deployment(failed))
    client = connect(URL, transport=api)
    with pytest.raises(WaitFailedError, match=r"training 4 .* the loss is missing"):
        await client.deployments.wait_finished(3)
    await client.deployments.wait_finished(3, raise_on_failure=False)


async def test_a_training_is_awaited_in_a_state(connect: Connect) -> None:
    api = FakeApi(answer(training("starting")), answer(training("waiting")))
    client = connect(URL, transport=api)
    seen = await client.trainings.wait(4, states=[TrainingState.WAITING], timeout=10)
    assert seen.state is TrainingState.WAITING


async def test_a_training_that_ends_otherwise_is_not_awaited_for_ever(
    connect: Connect,
) -> None:
    failed = answer(training("failed", failure=FAILURE))
    api = FakeApi(failed, answer(training("failed", failure=FAILURE)))
    client = connect(URL, transport=api)
    with pytest.raises(WaitFailedError, match="is failed, not waiting: the loss"):
        await client.trainings.wait(4, [TrainingState.WAITING])
    assert (await client.trainings.wait(4)).state is TrainingState.FAILED


async def test_an_inference_is_awaited(connect: Connect) -> None:
    api = FakeApi(
        answer(examples.INFERENCE),
        answer({**examples.INFERENCE, "state": "serving"}),
        answer({**examples.INFERENCE, "state": "failed", "failure": FAILURE}),
    )
    client = connect(URL, transport=api)
    assert (await client.inferences.wait_serving(6)).state == "serving"
    with pytest.raises(WaitFailedError, match="inference 6 is failed: the loss"):
        await client.inferences.wait_serving(6)
