"""What replicas count, as users see it."""

from typing import Any

import pytest

from kafkaml.schemas.statistics import CALL_BOUNDS_SECONDS, LATENCY_BOUNDS_SECONDS
from tests.api.actors import Actors, code_of
from tests.api.outbox_reader import OutboxReader
from tests.api.scenarios import accepted, new_inference

PATH = "attempts/current/statistics"
BINS = len(LATENCY_BOUNDS_SECONDS) + 1
CALM, HIGH, LESS = 0.4, 1.7, 0.9


def counts_at(seconds: float, count: int) -> list[int]:
    counts = [0] * BINS
    counts[sum(bound < seconds for bound in LATENCY_BOUNDS_SECONDS)] = count
    return counts


def report(instance: str = "a" * 16, **fields: Any) -> dict[str, Any]:
    recent = {
        "seconds": 10.0,
        "records": 1000,
        "batches": 10,
        "latency_counts": counts_at(0.1, 1000),
        "stage_seconds": {"predict": 0.5},
    } | fields.pop("recent", {})
    return {
        "replica": 0,
        "instance": instance,
        "uptime_seconds": 100.0,
        "answers": 5000,
        "dead_letters": {"decode": 3},
        "errors": {"deliver": 1},
        "lags": [{"partition": 0, "records": 7}],
        "recent": recent,
    } | fields


def window(level: float, **fields: Any) -> dict[str, Any]:
    psi = level * 0.2
    features = {
        "psi_max": psi,
        "psi_mean": psi / 2,
        "ks_max": 0.1,
        "ks_mean": 0.05,
        "psi_limit": 0.2,
        "ks_limit": 0.2,
        "top": [{"feature": 3, "name": "heat", "psi": psi, "ks": 0.1}],
    }
    return {
        "training_id": 1,
        "records": 1000,
        "began_at": "2026-01-01T00:00:00Z",
        "ended_at": "2026-01-01T00:01:00Z",
        "level": level,
        "features": features,
    } | fields


def model(role: str = "primary", **fields: Any) -> dict[str, Any]:
    calls = [0] * (len(CALL_BOUNDS_SECONDS) + 1)
    calls[sum(bound < 0.002 for bound in CALL_BOUNDS_SECONDS)] = 10
    return {
        "role": role,
        "revision": 2,
        "training_id": 1,
        "model_version": 1,
        "answered": 95,
        "failed": 5,
        "dropped": 0,
        "unsent": 0,
        "call_seconds": 0.02,
        "call_counts": calls,
        "looked_at": 95,
        "not_finite": 15,
        "score_sum": 60.0,
        "score_square_sum": 50.0,
        "classes": {"0": 60, "10": 20},
    } | fields


async def statistics_of(api: Actors) -> Any:
    return accepted(await api.viewer.get("inferences/1/statistics"))


async def test_what_replicas_count_is_added(api: Actors) -> None:
    await new_inference(api, replicas=2)
    replica = await api.attempt("kafkaml-inference-1-1")
    assert (await statistics_of(api))["replicas"] == []
    accepted(await replica.post(PATH, json=report()))
    other = report(
        "b" * 16,
        replica=1,
        answers=1000,
        dead_letters={"decode": 1, "predict": 2},
        lags=[{"partition": 0, "records": 5}, {"partition": 1, "records": 4}],
        recent={"records": 3000, "latency_counts": counts_at(1.0, 3000)},
    )
    accepted(await replica.post(PATH, json=other))
    found = await statistics_of(api)
    assert found["answers"] == 6000
    assert found["dead_letters"] == {"decode": 4, "predict": 2}
    assert found["errors"] == {"deliver": 2}
    assert found["records_per_second"] == pytest.approx(400)
    assert found["batch_records"] == pytest.approx(200)
    assert found["stage_microseconds"] == {"predict": pytest.approx(250)}
    assert (found["lag"], len(found["lags"])) == (9, 2), "a partition counts once"
    assert found["latency"]["p50"] == pytest.approx(1.0, rel=0.1)
    assert [each["replica"] for each in found["replicas"]] == [0, 1]
    assert found["drift"] is None


async def test_each_model_of_the_newest_revision_has_its_figures(api: Actors) -> None:
    await new_inference(api, replicas=2)
    replica = await api.attempt("kafkaml-inference-1-1")
    shadow = model("shadow", training_id=3, answered=0, failed=7, trouble="no idea")
    models = [shadow | {"looked_at": 0, "not_finite": 0, "classes": {}}, model()]
    accepted(await replica.post(PATH, json=report(models=models)))
    other = [model(classes={"0": 10, "2": 30}), model("canary", training_id=2)]
    accepted(await replica.post(PATH, json=report("b" * 16, models=other)))
    late = [model(revision=1, answered=10_000)]
    accepted(await replica.post(PATH, json=report("c" * 16, models=late)))

    found = (await statistics_of(api))["models"]

    assert [(each["role"], each["training_id"]) for each in found] == [
        ("primary", 1),
        ("canary", 2),
        ("shadow", 3),
    ]
    primary, _, shadow = found
    assert (primary["answered"], primary["failed"]) == (190, 10)
    assert primary["microseconds"] == pytest.approx(200)
    assert primary["records_per_call"] == pytest.approx(10)
    assert primary["call"]["p99"] == pytest.approx(0.002, rel=0.1)
    assert primary["score"]["mean"] == pytest.approx(0.75)
    assert primary["score"]["deviation"] == pytest.approx(0.25)
    shares = {"0": 70 / 120, "2": 30 / 120, "10": 20 / 120}
    assert primary["classes"] == pytest.approx(shares)
    assert list(primary["classes"]) == ["0", "2", "10"]
    assert (shadow["failed"], shadow["trouble"]) == (7, "no idea")
    assert (shadow["score"], shadow["classes"]) == (None, {})


async def test_only_the_newest_report_of_a_process_counts(api: Actors) -> None:
    await new_inference(api)
    replica = await api.attempt("kafkaml-inference-1-1")
    for answers in (1, 2, 3):
        accepted(await replica.post(PATH, json=report(answers=answers)))
    found = await statistics_of(api)
    assert (found["answers"], len(found["replicas"])) == (3, 1)


async def test_drift_is_told_once_and_its_end_too(
    api: Actors, outbox: OutboxReader
) -> None:
    await new_inference(api)
    replica = await api.attempt("kafkaml-inference-1-1")

    async def send(level: float, instance: str = "a" * 16) -> Any:
        accepted(await replica.post(PATH, json=report(instance, drift=window(level))))
        return accepted(await api.viewer.get("inferences/1"))["drift_alarm"]

    assert await send(CALM) is None
    alarm = await send(HIGH)
    assert "heat (PSI 0.34, KS 0.1)" in alarm["reason"]
    assert await send(HIGH) == alarm
    assert await send(LESS) == alarm, "a level near the limit neither begins nor ends it"
    await send(HIGH, "b" * 16)
    assert await send(CALM) == alarm, "another replica still sees it"
    assert (await statistics_of(api))["drift"]["level"] == HIGH
    assert (await statistics_of(api))["drift_alarm"] == alarm
    assert await send(CALM, "b" * 16) is None
    told = [each for each in await outbox.events() if "drift" in each]
    assert told == [
        "inference.drifted inferences/1",
        "inference.drift_ended inferences/1",
    ]


async def test_drift_from_another_training_is_no_alarm(api: Actors) -> None:
    await new_inference(api)
    replica = await api.attempt("kafkaml-inference-1-1")
    drift = window(HIGH, training_id=99)
    accepted(await replica.post(PATH, json=report(drift=drift)))
    assert accepted(await api.viewer.get("inferences/1"))["drift_alarm"] is None


async def test_replicas_learn_how_to_watch(api: Actors) -> None:
    wanted = {"window_records": 5000, "psi_limit": 0.3, "ks_limit": 0.25, "features": False}
    inference = await new_inference(api, drift=wanted)
    assert inference["drift"] == wanted
    replica = await api.attempt("kafkaml-inference-1-1")
    order = accepted(await replica.get("attempts/current"))["inference"]
    assert order["drift"] == wanted
    assert (await new_inference(api, 1, drift=None))["drift"] is None


@pytest.mark.parametrize(
    "fields",
    [
        {"replica": -1},
        {"instance": "no such name"},
        {"recent": {"latency_counts": [1, 2]}},
        {"drift": window(-1.0)},
        {"dead_letters": {"other": 1}},
        {"models": [model("chief")]},
        {"models": [model(call_counts=[1])]},
    ],
)
async def test_a_report_that_makes_no_sense_is_refused(
    api: Actors, fields: dict[str, Any]
) -> None:
    await new_inference(api)
    replica = await api.attempt("kafkaml-inference-1-1")
    response = await replica.post(PATH, json=report(**fields))
    assert code_of(response) == "validation-failed"


async def test_an_inference_that_is_over_takes_no_reports(api: Actors) -> None:
    await new_inference(api)
    replica = await api.attempt("kafkaml-inference-1-1")
    accepted(await replica.post(PATH, json=report(drift=window(HIGH))))
    accepted(await api.editor.post("inferences/1/stop"))
    assert code_of(await replica.post(PATH, json=report())) == "attempt-over"
    assert accepted(await api.viewer.get("inferences/1"))["drift_alarm"] is None
    accepted(await api.editor.delete("inferences/1"))
    assert code_of(await api.viewer.get("inferences/1/statistics")) == "not-found"
