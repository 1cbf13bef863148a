"""Reads the log of a pod as one text."""

from orchestrator.exceptions import ExecutorError
from orchestrator.executors.base import MAX_LOG_BYTES
from orchestrator.executors.kubernetes.client import KubernetesClient
from orchestrator.executors.kubernetes.pods import runs_now
from orchestrator.executors.kubernetes.resources import Manifest
from orchestrator.executors.log_text import whole_lines
from orchestrator.pods.status import main_container, part


class LogReader:
    """Reads what a container wrote, and before it what its last run in the pod wrote."""

    def __init__(self, *, client: KubernetesClient) -> None:
        self._client = client

    async def read(self, pod: Manifest) -> bytes | None:
        """Return the newest part, at most `MAX_LOG_BYTES`; None if the pod is gone."""
        container = str(main_container(pod)["name"])
        current = await self._read(pod, container, MAX_LOG_BYTES)
        if current is None or not _was_restarted(pod):
            return current
        room = MAX_LOG_BYTES - len(current)
        before = await self._read_previous(pod, container, room) if room > 0 else b""
        return before + current

    async def _read_previous(self, pod: Manifest, container: str, room: int) -> bytes:
        try:
            before = await self._read(pod, container, room, is_previous=True)
        except ExecutorError:
            # The node may have thrown it away, and says so in many ways.
            return b""
        return before or b""

    async def _read(
        self, pod: Manifest, container: str, limit: int, *, is_previous: bool = False
    ) -> bytes | None:
        content = await self._client.log(
            pod["metadata"]["name"],
            container,
            limit=limit,
            is_previous=is_previous,
        )
        return None if content is None else whole_lines(content, limit)


def _was_restarted(pod: Manifest) -> bool:
    """Tell whether there is a log of an earlier run beside the current one."""
    return runs_now(pod) and "terminated" in part(main_container(pod), "lastState")
