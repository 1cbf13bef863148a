from dataclasses import replace
from datetime import UTC, datetime

from kafkaml.schemas.workloads import Phase
from orchestrator.executors.base import Replica
from orchestrator.ledger import Ledger
from orchestrator.reporter import Reporter
from orchestrator.testing import FakeWorkloadsApi

from .builders import workload

NOW = datetime(2030, 1, 1, tzinfo=UTC)
TRAINING = workload()
SLOT = (TRAINING.name, 0)


async def test_a_log_that_is_still_the_same_is_not_sent_again() -> None:
    api, ledger = FakeWorkloadsApi(), Ledger()
    api.want(TRAINING)
    reporter = Reporter(api=api, ledger=ledger, clock=lambda: NOW)
    seen = Replica(*SLOT, Phase.RUNNING, log_revision=1)
    await reporter.upload_log(seen, b"epoch 1\n")
    assert api.logs.pop(SLOT) == b"epoch 1\n"
    await reporter.upload_log(replace(seen, log_revision=2), b"epoch 1\n")
    assert api.logs == {}
    assert ledger.uploads[seen.run].revision == 2
    await reporter.upload_log(replace(seen, log_revision=3), b"epoch 2\n")
    assert api.logs == {SLOT: b"epoch 2\n"}


async def test_a_log_that_was_given_up_is_sent_when_it_can_be_read() -> None:
    api = FakeWorkloadsApi()
    api.want(TRAINING)
    reporter = Reporter(api=api, ledger=Ledger(), clock=lambda: NOW)
    seen = Replica(*SLOT, Phase.RUNNING, log_revision=1)
    reporter.give_up_log(seen)
    await reporter.upload_log(seen, b"")
    assert api.logs == {SLOT: b""}
