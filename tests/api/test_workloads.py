from typing import Any

import asyncpg
import pytest

from api.tables.inference_row import INFERENCE_IS_ACTIVE
from api.tables.model_version_row import VERSION_IS_CHECKING
from api.tables.training_row import TRAINING_IS_ACTIVE
from tests.api.actors import Actors, code_of
from tests.api.outbox_reader import OutboxReader
from tests.api.scenarios import (
    CHECK,
    accepted,
    finish_check,
    finished_training,
    new_deployment,
    new_inference,
    new_model,
    new_training,
    observe,
    result_report,
    trainer_of,
    training_of,
    upload,
    valid_model,
)


async def platform_of(database_url: str) -> str:
    connection = await asyncpg.connect(database_url.replace("+asyncpg", ""))
    identity = await connection.fetchval("SELECT id FROM platform")
    await connection.close()
    return str(identity)


async def wanted(api: Actors) -> list[Any]:
    return list(accepted(await api.orchestrator.get("workloads"))["items"])


async def test_a_check_is_wanted_until_it_is_over(api: Actors, database_url: str) -> None:
    await new_model(api)
    assert await wanted(api) == [
        {
            "name": "kafkaml-check-1-1",
            "platform": await platform_of(database_url),
            "kind": "check",
            "id": 1,
            "attempt": 1,
            "replicas": 1,
            "resources": {"cpu": "1", "memory": "2Gi", "gpu": 0},
            "cpu_seconds": 300,
            "topics": [],
        }
    ]
    await finish_check(api, {"check": CHECK})
    assert await wanted(api) == []


async def test_a_training_is_wanted_once_its_model_is_valid(
    api: Actors, database_url: str
) -> None:
    resources = {"cpu": "1500m", "memory": "1Gi", "gpu": 1}
    model_id = await new_model(api)
    await new_deployment(api, model_id, deadline_seconds=100, resources=resources)
    assert [each["kind"] for each in await wanted(api)] == ["check"]
    refused = await api.orchestrator.post("workloads/kafkaml-training-1-1/token")
    assert code_of(refused) == "workload-not-current"
    await finish_check(api, {"check": CHECK})
    assert await wanted(api) == [
        {
            "name": "kafkaml-training-1-1",
            "platform": await platform_of(database_url),
            "kind": "training",
            "id": 1,
            "attempt": 1,
            "replicas": 1,
            "resources": resources,
            "cpu_seconds": 2 * 100 + 300,
            "topics": [],
        }
    ]


async def test_an_inference_is_wanted_with_its_topics(
    api: Actors, database_url: str
) -> None:
    await new_inference(api, replicas=3)
    (workload,) = await wanted(api)
    assert (workload["name"], workload["replicas"]) == ("kafkaml-inference-1-1", 3)
    assert workload["platform"] == await platform_of(database_url)
    assert workload["cpu_seconds"] is None
    assert workload["topics"] == [
        {"name": name, "partitions": 3, "cluster": None}
        for name in ("digits-in", "digits-out", "digits-out.dlq")
    ]


async def test_a_database_that_takes_the_place_of_another_has_its_own_identity(
    api: Actors, database_url: str
) -> None:
    await new_model(api)
    (before,) = await wanted(api)
    connection = await asyncpg.connect(database_url.replace("+asyncpg", ""))
    await connection.execute("UPDATE platform SET id = gen_random_uuid()")
    await connection.close()
    (after,) = await wanted(api)
    assert after["platform"] != before["platform"]


async def test_a_database_has_one_identity(database_url: str) -> None:
    connection = await asyncpg.connect(database_url.replace("+asyncpg", ""))
    for is_only in (True, False):
        with pytest.raises(asyncpg.IntegrityConstraintViolationError):
            await connection.execute("INSERT INTO platform (is_only) VALUES ($1)", is_only)
    await connection.close()
    assert await platform_of(database_url)


async def test_what_is_over_is_not_wanted(api: Actors) -> None:
    training_id = await finished_training(api)
    assert await wanted(api) == []
    name = f"kafkaml-training-{training_id}-1"
    refused = await api.orchestrator.post(f"workloads/{name}/token")
    assert (refused.status_code, code_of(refused)) == (404, "workload-not-current")


async def test_what_is_over_costs_nothing(api: Actors, database_url: str) -> None:
    await finished_training(api)
    connection = await asyncpg.connect(database_url.replace("+asyncpg", ""))
    await connection.execute("SET enable_seqscan = off")
    for table, condition in (
        ("training", TRAINING_IS_ACTIVE),
        ("inference", INFERENCE_IS_ACTIVE),
        ("model_version", VERSION_IS_CHECKING),
    ):
        query = f"EXPLAIN SELECT id FROM {table} WHERE {condition} ORDER BY id"
        plan = "\n".join(row[0] for row in await connection.fetch(query))
        assert f"ix_{table}_" in plan
    await connection.close()


async def test_several_tokens_of_an_attempt_live_at_once(api: Actors) -> None:
    training_id = await new_training(api)
    first, second = [await trainer_of(api, training_id) for _ in range(2)]
    for trainer in (first, second):
        assert accepted(await trainer.get("attempts/current"))["kind"] == "training"
    assert (await training_of(api, training_id))["state"] == "starting"


NAMES = [
    "kafkaml-training-99-1",
    "kafkaml-training-1-2",
    "kafkaml-training-1-0",
    "kafkaml-training-0-1",
    "kafkaml-training-1-99999999999",
    f"kafkaml-training-{2**63}-1",
    "kafkaml-sorcery-1-1",
    "kafkaml-check-99-1",
    "kafkaml-inference-99-1",
    "another",
    "kafkaml-training-1-1%00",
    "kafkaml-training-\N{ARABIC-INDIC DIGIT ONE}-1",
]


@pytest.mark.parametrize("name", NAMES)
async def test_a_name_that_is_not_current_is_not_found(api: Actors, name: str) -> None:
    await new_training(api)
    responses = [
        await api.orchestrator.post(f"workloads/{name}/token"),
        await observe(api, name, exit_code=0),
        await api.orchestrator.put(f"workloads/{name}/logs/0", content=b"x"),
    ]
    assert [(each.status_code, code_of(each)) for each in responses] == [
        (404, "workload-not-current")
    ] * 3


async def test_running_changes_nothing(api: Actors) -> None:
    training_id = await new_training(api)
    before = await training_of(api, training_id)
    name = f"kafkaml-training-{training_id}-1"
    assert (await observe(api, name, phase="running")).status_code == 204
    assert await training_of(api, training_id) == before


@pytest.mark.parametrize(
    ("seen", "reason"),
    [
        ({"exit_code": 3}, "model_code"),
        ({"exit_code": 4}, "bad_stream"),
        ({"exit_code": 0}, "no_result"),
        ({"exit_code": 137, "reason": "oom"}, "oom"),
        ({"exit_code": 5, "reason": "deadline"}, "deadline"),
        ({"exit_code": 137, "reason": "disk"}, "disk"),
        ({"phase": "blocked", "reason": "image"}, "image"),
        ({"phase": "blocked", "reason": "quota"}, "quota"),
        ({"phase": "blocked", "reason": "platform"}, "platform"),
        ({"phase": "blocked", "reason": "unschedulable"}, "unschedulable"),
        ({"phase": "blocked"}, "platform"),
    ],
)
async def test_an_end_that_no_retry_would_mend_fails_the_training(
    api: Actors, seen: dict[str, Any], reason: str
) -> None:
    training_id = await new_training(api)
    name = f"kafkaml-training-{training_id}-1"
    response = await observe(api, name, message="seen by the executor", **seen)
    assert response.status_code == 204
    training = await training_of(api, training_id)
    assert (training["state"], training["attempt"]) == ("failed", 1)
    assert training["failure"]["reason"] == reason
    assert "seen by the executor" in training["failure"]["message"]
    assert await wanted(api) == []


@pytest.mark.parametrize(
    "seen",
    [
        {"exit_code": 5},
        {"exit_code": 137},
        {"exit_code": 1},
        {"exit_code": None},
        {"exit_code": None, "reason": "lost"},
        {"exit_code": -11, "reason": "a reason of a later version"},
    ],
)
async def test_a_lost_training_is_tried_again_as_often_as_it_may(
    api: Actors, outbox: OutboxReader, seen: dict[str, Any]
) -> None:
    training_id = await new_training(api, max_attempts=2)
    trainer = await trainer_of(api, training_id)
    first, second = (f"kafkaml-training-{training_id}-{n}" for n in (1, 2))
    accepted(await observe(api, first, **seen))
    training = await training_of(api, training_id)
    assert (training["state"], training["attempt"]) == ("queued", 2)
    assert [each["name"] for each in await wanted(api)] == [second]
    assert code_of(await trainer.get("attempts/current")) == "attempt-over"
    assert code_of(await observe(api, first, **seen)) == "workload-not-current"
    accepted(await observe(api, second, message="gone", **seen))
    training = await training_of(api, training_id)
    assert (training["state"], training["failure"]["reason"]) == ("failed", "lost")
    assert "gone" in training["failure"]["message"]
    assert (await outbox.events())[-2:] == [
        f"training.queued trainings/{training_id}",
        f"training.failed trainings/{training_id}",
    ]


async def test_a_drained_training_goes_on_and_nothing_is_counted(api: Actors) -> None:
    training_id = await new_training(api, max_attempts=1)
    for attempt in (1, 2, 3):
        name = f"kafkaml-training-{training_id}-{attempt}"
        accepted(await observe(api, name, exit_code=143))
    training = await training_of(api, training_id)
    assert (training["state"], training["attempt"]) == ("queued", 4)


async def test_an_exit_after_the_result_changes_nothing(api: Actors) -> None:
    training_id = await new_training(api)
    trainer = await trainer_of(api, training_id)
    await upload(trainer)
    accepted(await trainer.post("attempts/current/result", json=result_report()))
    before = await training_of(api, training_id)
    for code in (0, 3, 5, 143):
        name = f"kafkaml-training-{training_id}-1"
        assert (await observe(api, name, exit_code=code)).status_code == 204
    assert await training_of(api, training_id) == before


async def test_an_exit_after_a_reported_failure_changes_nothing(api: Actors) -> None:
    training_id = await new_training(api)
    trainer = await trainer_of(api, training_id)
    failure = {"reason": "data_expired", "message": "records 5 to 9 are gone"}
    accepted(await trainer.post("attempts/current/failure", json=failure))
    accepted(await observe(api, f"kafkaml-training-{training_id}-1", exit_code=4))
    assert (await training_of(api, training_id))["failure"] == failure


@pytest.mark.parametrize(
    ("codes", "state"),
    [
        ([3], "invalid"),
        ([0], "invalid"),
        ([None], "checking"),
        ([5, 137], "checking"),
        ([5, 137, None], "invalid"),
        ([143, 143, 143, 143], "checking"),
    ],
)
async def test_a_check_ends_by_its_exits(
    api: Actors, codes: list[int | None], state: str
) -> None:
    model_id = await new_model(api)
    for attempt, code in enumerate(codes, start=1):
        accepted(await observe(api, f"kafkaml-check-1-{attempt}", exit_code=code))
    version = accepted(await api.viewer.get(f"models/{model_id}"))["version"]
    assert version["state"] == state
    if state == "invalid":
        assert version["error"]["message"]
    else:
        (workload,) = await wanted(api)
        assert workload["attempt"] == len(codes) + 1


async def test_a_replica_that_ends_is_wanted_still(api: Actors) -> None:
    inference = await new_inference(api, replicas=2)
    inferencer = await api.attempt("kafkaml-inference-1-1")
    for replica in (0, 1):
        body = {"state": "serving", "replica": replica}
        accepted(await inferencer.post("attempts/current/progress", json=body))
    path = f"inferences/{inference['id']}"
    assert accepted(await api.viewer.get(path))["ready_replicas"] == 2
    accepted(await observe(api, "kafkaml-inference-1-1", replica=1, exit_code=137))
    shown = accepted(await api.viewer.get(path))
    assert (shown["state"], shown["ready_replicas"]) == ("serving", 1)
    assert [each["name"] for each in await wanted(api)] == ["kafkaml-inference-1-1"]


async def test_an_inference_that_cannot_start_fails(api: Actors) -> None:
    inference = await new_inference(api)
    seen = {"phase": "blocked", "reason": "image", "message": "no such image"}
    accepted(await observe(api, "kafkaml-inference-1-1", **seen))
    shown = accepted(await api.viewer.get(f"inferences/{inference['id']}"))
    assert (shown["state"], shown["failure"]["reason"]) == ("failed", "image")
    assert await wanted(api) == []


async def test_a_log_may_have_one_mebibyte(api: Actors) -> None:
    await valid_model(api)
    path = "workloads/kafkaml-check-1-1/logs/0"
    headers = {"Content-Type": "text/plain"}
    fits, not_fits = b"x" * 2**20, b"x" * (2**20 + 1)
    response = await api.orchestrator.put(path, content=fits, headers=headers)
    assert response.status_code == 204
    response = await api.orchestrator.put(path, content=not_fits, headers=headers)
    assert (response.status_code, code_of(response)) == (413, "body-too-large")
