"""What pods there were at each time, however short."""

import subprocess
import threading
from collections import defaultdict
from typing import NamedTuple, Self

from .kubectl import KUBECTL, WORKLOADS

_LABELS = ("app\\.kubernetes\\.io/component", "kafka-ml/id", "kafka-ml/workload")
_FIELDS = (
    ".type",
    ".object.metadata.uid",
    ".object.status.phase",
    # The phase follows some seconds after the end of what ran.
    ".object.status.containerStatuses[0].state.terminated.exitCode",
    *(f".object.metadata.labels.{each}" for each in _LABELS),
)
_TEMPLATE = "|".join(f"{{{field}}}" for field in _FIELDS) + '{"\\n"}'
_PAUSE_SECONDS = 0.5


class Pod(NamedTuple):
    """A pod that has not ended."""

    subject: tuple[str, str]
    workload: str


class PodWatch:
    """Follows the pods of workloads, and notes when one training or check had two at once.

    A pod lives until its container has ended, or it is gone.
    """

    def __init__(self) -> None:
        self.seen: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
        self._overlaps: list[str] = []
        self._live: dict[str, Pod] = {}
        self._closed = threading.Event()
        self._process: subprocess.Popen[str] | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closed.set()
        if self._process is not None:
            self._process.terminate()
        self._thread.join(timeout=10)

    def pods_of_training(self, number: int) -> set[str]:
        """Return the uids of all pods that a training ever had."""
        return self.seen["training", str(number)]

    def overlaps(self) -> list[str]:
        """Return which attempts lived at once since this was asked last."""
        found, self._overlaps = self._overlaps, []
        return found

    def _run(self) -> None:
        command = [KUBECTL, "--namespace", WORKLOADS, "get", "pods", "--watch"]
        command += ["--output-watch-events", "--output", f"jsonpath={_TEMPLATE}"]
        while not self._closed.is_set():
            # It begins with all that there are.
            self._live.clear()
            with subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
            ) as self._process:
                assert self._process.stdout is not None
                for line in self._process.stdout:
                    self._note(*line.rstrip("\n").split("|"))
            self._closed.wait(_PAUSE_SECONDS)

    def _note(
        self,
        change: str,
        uid: str,
        phase: str,
        exit_code: str,
        component: str,
        number: str,
        workload: str,
    ) -> None:
        if component not in {"training", "check"}:
            return
        pod = Pod((component, number), workload)
        self.seen[pod.subject].add(uid)
        if change == "DELETED" or phase in {"Succeeded", "Failed"} or exit_code:
            self._live.pop(uid, None)
            return
        self._live[uid] = pod
        rivals = [each for each in self._live.values() if each.subject == pod.subject]
        if len(rivals) > 1:
            names = sorted(each.workload for each in rivals)
            self._overlaps.append(f"{' and '.join(names)} at once")
