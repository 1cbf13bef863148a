from kafkaml.schemas.workloads import Phase
from orchestrator.executors.base import Replica
from orchestrator.ledger import Ledger, Slot, Status, ToldStatus, Trouble, Upload

from .situations import NOW


def test_it_forgets_what_is_gone() -> None:
    stays, goes = Replica("a", 0, Phase.EXITED), Replica("b", 0, Phase.EXITED)

    def ledger(*replicas: Replica) -> Ledger:
        return Ledger(
            reported={each.run for each in replicas},
            uploads={each.run: Upload(1, NOW) for each in replicas},
            statuses={each.name: ToldStatus(Status(), NOW) for each in replicas},
            troubles={Slot(each.name, 0): Trouble("no room") for each in replicas},
        )

    full = ledger(stays, goes)
    full.keep_only([stays], {stays.name})
    assert full == ledger(stays)
