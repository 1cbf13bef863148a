import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta

import pytest

from kafkaml.exceptions import ApiUnavailableError, TopicError
from kafkaml.schemas.states import FailureReason
from kafkaml.schemas.workloads import Phase, WantedTopic, WorkloadKind
from orchestrator.actions import StopReplica
from orchestrator.exceptions import StartRefusedError, TopicRefusedError
from orchestrator.executors.base import Replica
from orchestrator.lanes import STARTS_AT_ONCE
from orchestrator.testing import FakeTopics

from .builders import workload
from .faults import Fault
from .world import World

TRAINING = workload(topics=[WantedTopic(name="in", partitions=3)])
INFERENCE = workload(WorkloadKind.INFERENCE, replicas=2)
HOUR = timedelta(hours=1)


async def test_what_is_wanted_is_started_with_its_topics_and_its_token(
    world: World,
) -> None:
    world.api.want(TRAINING)
    world.api.want(INFERENCE)
    await world.passes(2)
    assert world.running() == {
        (TRAINING.name, 0),
        (INFERENCE.name, 0),
        (INFERENCE.name, 1),
    }
    assert world.topics.made == TRAINING.topics
    environment = world.executor.environments[TRAINING.name, 0]
    assert environment["KAFKA_ML_TOKEN"] in world.api.tokens
    assert len(world.executor.started) == 3


async def test_a_topic_that_is_wanted_later_is_made_while_the_workload_runs(
    world: World,
) -> None:
    world.api.want(INFERENCE)
    await world.passes(2)
    shadow = WantedTopic(name="out.shadow", partitions=2)
    world.api.want(INFERENCE.model_copy(update={"topics": [shadow]}))
    await world.passes(3)
    assert world.topics.made == [shadow]
    assert len(world.executor.started) == 2


async def test_a_lost_attempt_is_reported_and_the_next_one_started(world: World) -> None:
    world.api.want(TRAINING)
    await world.passes()
    world.executor.write_log(TRAINING.name, 0, b"epoch 1\n")
    world.executor.end(TRAINING.name, exit_code=137, reason=None)
    await world.passes(3)
    assert world.running() == {(workload(attempt=2).name, 0)}
    assert set(world.executor.replicas) == world.running()
    assert world.api.logs[TRAINING.name, 0] == b"epoch 1\n"
    [(name, observation)] = world.api.told(Phase.EXITED)
    assert (name, observation.exit_code) == (TRAINING.name, 137)
    assert "memory" in observation.message


async def test_without_an_answer_of_the_api_nothing_is_started_or_stopped(
    world: World,
) -> None:
    world.api.want(TRAINING)
    await world.passes()
    world.api.want(INFERENCE)
    del world.api.workloads[TRAINING.name]
    world.api.faults = ["refused"]
    with pytest.raises(ApiUnavailableError):
        await world.passes()
    assert world.running() == {(TRAINING.name, 0)}


async def test_a_foreign_workload_is_stopped_and_forgotten(world: World) -> None:
    foreign = Replica("kafkaml-training-999-1", 0, Phase.RUNNING)
    world.executor.replicas[foreign.name, 0] = foreign
    await world.passes(3)
    assert not world.executor.replicas


async def test_one_broken_object_never_stops_the_others(world: World) -> None:
    world.api.want(TRAINING)
    world.api.want(INFERENCE)
    world.executor.broken = {TRAINING.name}
    summary = await world.reconciler.run_pass()
    assert [action.name for action in summary.failed] == [TRAINING.name]
    assert world.running() == {(INFERENCE.name, 0)}


async def test_a_broken_object_rests_and_is_tried_again(world: World) -> None:
    world.api.want(TRAINING)
    world.executor.broken = {TRAINING.name}
    await world.passes(3)
    assert len(world.api.tokens) == 1
    world.executor.broken = set()
    world.clock.advance()
    await world.passes()
    assert world.running() == {(TRAINING.name, 0)}


async def test_a_start_that_fails_is_told_and_ends_the_attempt_only_after_a_while(
    world: World,
) -> None:
    world.api.want(TRAINING)
    world.executor.broken = {TRAINING.name}
    await world.passes(2)
    assert world.api.notices == {TRAINING.name: f"{TRAINING.name} is broken"}
    world.clock.advance()
    await world.passes()
    assert world.api.workloads
    await world.passes()
    observation = world.api.observations[-1][1]
    assert (observation.phase, observation.reason) == (Phase.BLOCKED, "platform")
    assert observation.message == f"{TRAINING.name} is broken"
    assert not world.api.workloads


async def test_a_start_that_works_at_last_takes_its_notice_back(world: World) -> None:
    world.api.want(TRAINING)
    world.executor.broken = {TRAINING.name}
    await world.passes(2)
    world.executor.broken = set()
    world.clock.advance(timedelta(seconds=10))
    await world.passes(2)
    assert world.running()
    assert not world.api.notices


async def test_a_start_that_the_executor_refuses_ends_the_attempt_at_once(
    world: World,
) -> None:
    world.api.want(TRAINING)
    world.executor.refusal = StartRefusedError("no image", reason=FailureReason.IMAGE)
    await world.passes(2)
    observation = world.api.observations[-1][1]
    assert (observation.phase, observation.reason) == (Phase.BLOCKED, "image")
    assert observation.message == "no image"


@dataclass
class NoTopics(FakeTopics):
    """Topics that cannot be made, now or ever."""

    error: TopicError = field(default_factory=TopicError)

    async def ensure(self, topics: Sequence[WantedTopic]) -> None:
        await super().ensure(topics)
        raise self.error


async def test_nothing_starts_before_its_topics_are_ready(world: World) -> None:
    world.api.want(TRAINING)
    away = NoTopics(error=TopicError("Kafka is away"))
    summary = await world.another(away).run_pass()
    assert len(summary.failed) == 1
    assert not world.api.tokens
    assert not world.running()
    assert not world.api.observations


async def test_topics_that_kafka_refuses_are_told_to_the_api(world: World) -> None:
    world.api.want(TRAINING)
    refused = world.another(NoTopics(error=TopicRefusedError("not allowed")))
    await refused.run_pass()
    await refused.run_pass()
    observation = world.api.observations[-1][1]
    assert (observation.phase, observation.message) == (Phase.BLOCKED, "not allowed")


async def test_an_attempt_that_is_over_gets_no_token_and_is_not_started(
    world: World,
) -> None:
    class Overtaken(FakeTopics):
        async def ensure(self, topics: Sequence[WantedTopic]) -> None:
            await super().ensure(topics)
            del world.api.workloads[TRAINING.name]

    world.api.want(TRAINING)
    summary = await world.another(Overtaken()).run_pass()
    assert not summary.failed
    assert not world.executor.started


async def test_a_restarted_orchestrator_starts_nothing_twice(world: World) -> None:
    world.api.want(TRAINING)
    await world.passes()
    await world.another().run_pass()
    assert len(world.executor.started) == 1


async def test_an_ended_inference_is_reported_once_and_started_again(
    world: World,
) -> None:
    world.api.want(INFERENCE)
    await world.passes(2)
    world.executor.end(INFERENCE.name, 1, exit_code=1, at=world.clock.now)
    await world.passes(3)
    assert world.running() == {(INFERENCE.name, 0)}
    assert len(world.api.told(Phase.EXITED)) == 1
    world.clock.advance()
    await world.passes()
    assert len(world.running()) == 2


@pytest.mark.parametrize("fault", ["refused", "answer lost"])
async def test_a_report_that_fails_is_made_again(world: World, fault: Fault) -> None:
    world.api.want(TRAINING)
    await world.passes()
    world.executor.end(TRAINING.name, exit_code=3)
    world.api.faults = [None, fault]
    await world.passes()
    world.clock.advance()
    await world.passes(3)
    assert len(world.api.observations) == 1
    assert not world.executor.replicas


async def test_a_log_that_cannot_be_read_holds_up_a_report_only_for_a_while(
    world: World,
) -> None:
    world.api.want(TRAINING)
    await world.passes()
    world.executor.write_log(TRAINING.name, 0, b"last words")
    world.executor.end(TRAINING.name, exit_code=3)
    world.executor.broken = {TRAINING.name}
    await world.passes()
    assert not world.api.observations
    world.clock.advance()
    await world.passes(2)
    assert len(world.api.observations) == 1


async def test_what_does_not_start_is_no_obstacle_to_anything_else(world: World) -> None:
    reconciler = world.another(patience=timedelta(seconds=0.05))
    for number in range(1, 51):
        world.api.want(workload(number=number))
    world.executor.slow = set(world.api.workloads)
    summary = await reconciler.run_pass()
    assert len(summary.postponed) == 50 - STARTS_AT_ONCE
    unwanted = Replica("kafkaml-training-99-1", 0, Phase.RUNNING)
    world.executor.replicas[unwanted.name, 0] = unwanted
    summary = await reconciler.run_pass()
    assert summary.done == (StopReplica(unwanted.name, 0),)
    world.executor.may_go_on.set()
    await reconciler.finish(HOUR)
    assert len(world.executor.started) == STARTS_AT_ONCE
    await reconciler.run_pass()
    assert len(world.running()) == len(world.api.tokens) == 50


async def test_what_is_being_done_is_not_done_again_by_the_next_pass(
    world: World,
) -> None:
    reconciler = world.another(patience=timedelta(seconds=0.05))
    world.executor.slow = {TRAINING.name}
    world.api.want(TRAINING)
    await reconciler.run_pass()
    summary = await reconciler.run_pass()
    assert not summary.done
    assert len(world.api.tokens) == 1
    world.executor.may_go_on.set()
    await reconciler.finish(HOUR)
    assert world.running() == {(TRAINING.name, 0)}


async def test_what_has_begun_and_does_not_end_is_given_up_at_the_end(
    world: World,
) -> None:
    reconciler = world.another(patience=timedelta(seconds=0.05))
    world.executor.slow = {TRAINING.name}
    world.api.want(TRAINING)
    await reconciler.run_pass()
    async with asyncio.timeout(5):
        await reconciler.finish(timedelta(seconds=0.05))
    assert not world.running()


async def test_the_number_that_serves_is_right_after_one_has_ended(world: World) -> None:
    world.executor.keeps_sets = True
    world.api.want(workload(WorkloadKind.INFERENCE, replicas=3))
    await world.passes()
    for number in range(3):
        world.executor.change(INFERENCE.name, number, is_ready=True)
    await world.passes()
    assert len(world.api.serving[INFERENCE.name]) == 3
    world.executor.end(INFERENCE.name, 1, exit_code=137)
    await world.passes()
    assert len(world.api.serving[INFERENCE.name]) == 2
    # One that was not ready ends too: the number of those that are does not change.
    world.executor.change(INFERENCE.name, 1)
    await world.passes()
    world.executor.end(INFERENCE.name, 1, exit_code=137)
    await world.passes(2)
    assert len(world.api.serving[INFERENCE.name]) == 2


async def test_how_many_serve_and_what_the_others_wait_for_are_both_told(
    world: World,
) -> None:
    world.executor.keeps_sets = True
    world.api.want(INFERENCE)
    await world.passes()
    world.executor.change(INFERENCE.name, 0, is_ready=True)
    world.executor.change(INFERENCE.name, 1, phase=Phase.PENDING, message="no room")
    await world.passes()
    assert world.api.serving == {INFERENCE.name: {0}}
    assert world.api.notices == {INFERENCE.name: "no room"}
    world.executor.change(INFERENCE.name, 1, is_ready=True)
    await world.passes()
    assert world.api.serving == {INFERENCE.name: {0, 1}}
    assert not world.api.notices


async def test_an_old_trouble_is_not_told_of_an_end(world: World) -> None:
    inference = workload(WorkloadKind.INFERENCE)
    world.api.want(inference)
    world.executor.broken = {inference.name}
    await world.passes(2)
    assert world.api.notices
    world.executor.broken = set()
    world.clock.advance(timedelta(seconds=10))
    await world.passes(2)
    world.executor.end(inference.name, exit_code=1, at=world.clock.now)
    await world.passes(2)
    assert not world.running()
    assert not world.api.notices


async def test_its_figures_are_there_for_prometheus(world: World) -> None:
    world.api.want(TRAINING)
    await world.passes(2)
    value = world.metrics.registry.get_sample_value
    prefix = "kafkaml_orchestrator"
    assert value(f"{prefix}_wanted_workloads", {"kind": "training"}) == 1
    assert value(f"{prefix}_seen_replicas", {"phase": "running"}) == 1
    assert value(f"{prefix}_postponed_actions") == 0
    assert value(f"{prefix}_action_seconds_count", {"kind": "StartReplica"}) == 1
