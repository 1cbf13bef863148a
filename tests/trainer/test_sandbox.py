"""A model's code in a real child: what it may see, and how it may end."""

import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from kafkaml.config import KafkaSettings
from kafkaml.schemas.models import ModelError
from kafkaml.schemas.states import ExitCode, FailureReason
from tests.trainer.orders import CLASSIFIER, check_order, training_order
from trainer.config import TrainerSettings
from trainer.exceptions import ModelCodeError, OutOfMemoryError, PlatformError
from trainer.run import run
from trainer.sandbox.sandbox import child_environment, lost_error
from trainer.sandbox.standby import Standby
from trainer.testing import InMemoryAttempts

SPY = """\
import os
seen = [dict(os.environ), sorted(os.listdir("/proc/self/fd")), os.getcwd()]
os.write(1, b"\\xff\\x1b[31m forged " + b"x" * 100_000 + b"\\n")
print('{"kind": "built"}')
import sys
assert sys.stdin.read() == ""
raise ValueError(repr(seen))
"""

GARBLER = """\
import os
for descriptor in range(3, 50):
    try:
        os.write(descriptor, b"garbage\\n")
    except OSError:
        pass
"""


def checked(source: str, settings: TrainerSettings, standby: Standby) -> ModelError:
    """Return what a check says about a bad source; the check itself must succeed."""
    attempts = InMemoryAttempts(check_order(source))
    kafka = KafkaSettings()
    assert run(attempts=attempts, settings=settings, kafka=kafka, standby=standby) == 0
    assert attempts.calls == ["order", "check"]
    assert attempts.accepted_check is not None
    error = attempts.accepted_check.error
    assert error is not None
    return error


def test_a_good_source_is_accepted(settings: TrainerSettings) -> None:
    attempts = InMemoryAttempts(check_order(CLASSIFIER))
    assert run(attempts=attempts, settings=settings, kafka=KafkaSettings()) == 0
    assert attempts.accepted_check is not None
    check = attempts.accepted_check.check
    assert check is not None
    assert (check.input_shapes, check.output_shapes) == ([[2]], [[3]])
    assert not list(settings.work_directory.iterdir())


def test_a_source_sees_no_secret_and_cannot_forge_a_report(
    settings: TrainerSettings, standby: Standby, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KAFKA_ML_TOKEN", "kml_secret")
    error = checked(SPY, settings, standby)
    assert error.line == 7
    assert "ValueError" in error.message
    assert "kml_secret" not in error.message
    assert "KAFKA_ML" not in error.message
    assert str(settings.work_directory) in error.message


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("import os\nos._exit(0)", "ended its process (exit code 0)"),
        ("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)", "was killed"),
        ("while True:\n    pass", "took longer than 2 s"),
        (GARBLER, "sent a bad report"),
    ],
)
def test_a_source_that_ends_or_stalls_or_garbles_its_process_is_told_so(
    source: str, text: str, settings: TrainerSettings, standby: Standby
) -> None:
    short = settings.model_copy(update={"build_timeout_seconds": 2})
    assert text in checked(source, short, standby).message


def test_a_source_that_wants_more_memory_than_it_may_use_is_told_where(
    settings: TrainerSettings, standby: Standby
) -> None:
    error = checked("import numpy\nx = numpy.ones(6 * 2**30, 'uint8')", settings, standby)
    assert "more memory than it may use" in error.message
    assert error.line == 2


def test_an_attempt_that_is_over_ends_drained_and_reports_no_failure(
    settings: TrainerSettings, standby: Standby
) -> None:
    attempts = InMemoryAttempts(training_order("control"), over_after="progress:waiting")
    kafka = KafkaSettings()
    code = run(attempts=attempts, settings=settings, kafka=kafka, standby=standby)
    assert code == ExitCode.DRAINED
    assert attempts.accepted_failure is None


def test_the_environment_of_a_child_is_only_what_it_needs() -> None:
    parent = {"PATH": "/bin", "KAFKA_ML_TOKEN": "secret", "CUDA_VISIBLE_DEVICES": "0"}
    folder = Path("/work")
    environment = child_environment(parent, directory=folder, threads=3, gpus=0)
    assert "KAFKA_ML_TOKEN" not in environment
    assert environment["HOME"] == environment["TMPDIR"] == "/work"
    assert environment["OMP_NUM_THREADS"] == "3"
    assert environment["CUDA_VISIBLE_DEVICES"] == "-1"
    with_gpu = child_environment(parent, directory=folder, threads=3, gpus=1)
    assert with_gpu["CUDA_VISIBLE_DEVICES"] == "0"


def test_the_end_of_a_child_says_whose_fault_it_was() -> None:
    assert isinstance(lost_error(1, is_ready=False), PlatformError)
    assert isinstance(lost_error(0, is_ready=True), ModelCodeError)
    assert isinstance(lost_error(-signal.SIGSEGV, is_ready=True), ModelCodeError)
    killed = lost_error(-signal.SIGKILL, is_ready=True)
    assert isinstance(killed, OutOfMemoryError)
    assert killed.reason is FailureReason.OOM


WAITING = """\
import sys
from pathlib import Path
from kafkaml.config import KafkaSettings, LogSettings
from kafkaml.logging import configure_logging
from tests.trainer.orders import training_order
from trainer.config import TrainerSettings
from trainer.main import end_on_sigterm
from trainer.run import run
from trainer.testing import InMemoryAttempts

class Attempts(InMemoryAttempts):
    def progress(self, report):
        print(report.state, flush=True)

end_on_sigterm()
configure_logging(LogSettings())
assert "tensorflow" not in sys.modules
settings = TrainerSettings(work_directory=Path(sys.argv[1]))
kafka = KafkaSettings(bootstrap_servers="127.0.0.1:9")
run(attempts=Attempts(training_order("control")), settings=settings, kafka=kafka)
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_the_child_ends_with_its_trainer(number: signal.Signals, tmp_path: Path) -> None:
    command = [sys.executable, "-c", WAITING, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as trainer:
        assert trainer.stdout is not None
        assert trainer.stdout.readline() == "waiting\n"
        [child] = children_of(trainer.pid)
        trainer.send_signal(number)
        if number == signal.SIGTERM:
            trainer.send_signal(number)
        code = trainer.wait(30)
    assert code == (ExitCode.DRAINED if number == signal.SIGTERM else -number)
    deadline = time.monotonic() + 10
    while is_running(child):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert number == signal.SIGKILL or not list(tmp_path.iterdir())


def children_of(process_id: int) -> list[int]:
    listed = Path(f"/proc/{process_id}/task/{process_id}/children").read_text()
    return [int(each) for each in listed.split()]


def is_running(process_id: int) -> bool:
    try:
        return Path(f"/proc/{process_id}/stat").read_text().split()[2] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_a_standby_that_does_not_end_is_killed() -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs, subprocess.Popen(["sleep", "1000"]) as process:
        Standby(ours, process=process, end_seconds=0).close()
        assert process.returncode == -signal.SIGKILL


def test_the_trainer_hides_its_environment() -> None:
    source = (
        "import ctypes\n"
        "from trainer.sandbox.protection import hide_process\n"
        "hide_process()\n"
        "raise SystemExit(ctypes.CDLL(None).prctl(3))\n"
    )
    done = subprocess.run([sys.executable, "-c", source], check=False, timeout=30)
    assert done.returncode == 0
