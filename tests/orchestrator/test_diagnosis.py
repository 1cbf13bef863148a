import pytest

from kafkaml.schemas.workloads import Phase
from orchestrator.diagnosis import diagnose
from orchestrator.executors.base import Replica


@pytest.mark.parametrize(
    ("exit_code", "reason", "advice"),
    [
        (137, "oom", "Raise resources.memory, or lower batch_size"),
        (152, "deadline", "Raise deadline_seconds"),
        (None, "platform", "could not be started"),
        (137, "disk", "more space for temporary files"),
        (None, "quota", "The quota leaves no room"),
        (None, None, "vanished without leaving an exit code"),
        (0, None, "ended by itself"),
        (3, None, "The code of the model failed"),
        (4, None, "The stream could not be used"),
        (5, None, "a fault that may pass"),
        (143, None, "was asked to end"),
        (137, None, "its machine ran out of memory"),
        (139, None, "segmentation fault"),
        (132, None, "lacks an instruction"),
        (130, None, "the signal SIGINT"),
        (1, None, "exit code 1"),
        (255, None, "exit code 255"),
        (5, "something-new", "a fault that may pass"),
    ],
)
def test_every_end_has_a_text_to_act_on(
    exit_code: int | None, reason: str | None, advice: str
) -> None:
    replica = Replica("a", 0, Phase.EXITED, exit_code=exit_code, reason=reason)
    assert advice in diagnose(replica)


def test_what_the_executor_knows_is_added() -> None:
    replica = Replica(
        "a",
        0,
        Phase.EXITED,
        exit_code=137,
        reason="oom",
        message="The limit is 2Gi, it used 2100 MiB.",
    )
    assert diagnose(replica).endswith("The limit is 2Gi, it used 2100 MiB.")
