"""From what is known of an exit to a text that a person can act on."""

import signal

from kafkaml.schemas.states import ExitCode, FailureReason
from orchestrator.executors.base import Replica

_BY_REASON = {
    FailureReason.OOM: (
        "It used more memory than it may. Raise resources.memory, or lower batch_size "
        "or the size of the model."
    ),
    FailureReason.DISK: (
        "It wrote more files than it may, or the disk under it was full. Give it a shorter "
        "stream or a smaller model, or more space for temporary files."
    ),
    FailureReason.DEADLINE: (
        "It used more time than it may. Raise deadline_seconds, or lower epochs or the "
        "size of the model."
    ),
    FailureReason.QUOTA: (
        "The quota leaves no room for it. Ask for less in resources, stop what is not "
        "needed, or have the quota raised."
    ),
    FailureReason.PLATFORM: "It could not be started. The installation needs a look.",
}

_BY_CODE = {
    ExitCode.ACCEPTED: "It ended by itself with exit code 0.",
    ExitCode.MODEL_CODE: "The code of the model failed. The log shows where.",
    ExitCode.DATA: "The stream could not be used. The log shows why.",
    ExitCode.RETRYABLE: "It met a fault that may pass, such as a broker that is away.",
    ExitCode.DRAINED: "It was asked to end, and did.",
}

_BY_SIGNAL = {
    signal.SIGKILL: (
        "It was killed. If nobody did that by hand, its machine ran out of memory: run "
        "fewer workloads at once, or ask for as much in resources.memory as it uses."
    ),
    signal.SIGSEGV: (
        "It crashed in native code (segmentation fault). The log shows what it did last."
    ),
    signal.SIGABRT: "It aborted in native code. The log shows what it did last.",
    signal.SIGILL: (
        "This CPU lacks an instruction that the installed TensorFlow was built for. "
        "Run it on a CPU with AVX, or install a build for this one."
    ),
    signal.SIGBUS: (
        "It lost a memory-mapped file. The disk, or the space for temporary files, may be "
        "full."
    ),
    signal.SIGXCPU: _BY_REASON[FailureReason.DEADLINE],
}

_LOST = (
    "It vanished without leaving an exit code: its machine went away or was restarted, or "
    "somebody removed it."
)


def diagnose(replica: Replica) -> str:
    """Return why a replica has ended and what to do about it, in a few sentences."""
    return " ".join(filter(None, (_cause(replica), replica.message)))


def _cause(replica: Replica) -> str:
    if replica.reason in _BY_REASON:
        return _BY_REASON[FailureReason(replica.reason)]
    if replica.exit_code is None:
        return _LOST
    if replica.exit_code in _BY_CODE:
        return _BY_CODE[replica.exit_code]
    if replica.exit_code > 128:
        return _signal_cause(replica.exit_code - 128)
    return f"It ended with exit code {replica.exit_code}. The log shows why."


def _signal_cause(number: int) -> str:
    if number not in set(signal.Signals):
        return f"It ended with exit code {number + 128}. The log shows why."
    name = signal.Signals(number)
    return _BY_SIGNAL.get(name, f"It was ended by the signal {name.name}.")
