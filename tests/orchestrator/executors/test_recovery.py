from datetime import UTC, datetime, timedelta

from kafkaml.schemas.workloads import Phase
from orchestrator.executors.base import Replica
from orchestrator.executors.recovery import RECOVERED, restarts_after

START = datetime(2030, 1, 1, tzinfo=UTC)


def ended_after(time: timedelta, *, restarts: int) -> Replica:
    return Replica(
        "kafkaml-inference-1-1",
        0,
        Phase.EXITED,
        starts=9,
        restarts=restarts,
        started_at=START,
        exited_at=START + time,
    )


def test_the_first_start_is_no_restart() -> None:
    assert restarts_after(None) == 0


def test_restarts_count_until_it_ran_a_good_while() -> None:
    moment = timedelta(microseconds=1)
    assert restarts_after(ended_after(RECOVERED - moment, restarts=4)) == 5
    assert restarts_after(ended_after(RECOVERED, restarts=4)) == 0
