"""What the API server answers, and how it is told to people."""

from dataclasses import dataclass
from typing import Any

import orjson

from kafkaml.schemas.states import FailureReason
from kafkaml.schemas.workloads import Phase
from orchestrator.exceptions import ExecutorError, NotNowError, StartRefusedError
from orchestrator.pod_diagnosis import diagnose_refusal

_LONGEST_TEXT = 2000


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer: its HTTP status and its body; `retry_after` as its header has it."""

    status: int
    content: bytes
    retry_after: str | None = None

    @property
    def is_success(self) -> bool:
        return 200 <= self.status < 300

    @property
    def reason(self) -> str:
        """The word of Kubernetes for why it refused, such as `AlreadyExists`."""
        return str(self._refusal().get("reason", ""))

    def to_manifest(self, action: str) -> dict[str, Any]:
        """Return the body of a success; raise `ExecutorError` for anything else."""
        if not self.is_success:
            raise self.to_error(action)
        try:
            manifest = orjson.loads(self.content)
        except orjson.JSONDecodeError as e:
            raise ExecutorError(f"{action}: the answer is no JSON: {self._text()}") from e
        if not isinstance(manifest, dict):
            raise ExecutorError(f"{action}: the answer is no object: {self._text()}")
        return manifest

    def to_error(self, action: str) -> ExecutorError:
        """Return the refusal as an error that a person can read."""
        text = f"{action}: {self.status}: {self._text()}"
        if self.retry_after is not None:
            text += f" (asks to wait for {self.retry_after} s)"
        if self.status == 403 and "exceeded quota" in text:
            return _quota_error(text)
        if self.status == 422:
            return StartRefusedError(text, reason=FailureReason.PLATFORM)
        is_passing = self.status in {409, 410, 429} or self.status >= 500
        return NotNowError(text) if is_passing else ExecutorError(text)

    def _text(self) -> str:
        text = self._refusal().get("message") or self.content.decode(errors="replace")
        return str(text).strip()[:_LONGEST_TEXT]

    def _refusal(self) -> dict[str, Any]:
        # A proxy, or the server before it knows better, answers with plain text.
        try:
            status = orjson.loads(self.content)
        except orjson.JSONDecodeError:
            return {}
        return status if isinstance(status, dict) else {}


def _quota_error(text: str) -> ExecutorError:
    refusal = diagnose_refusal(text)
    if refusal.phase is Phase.BLOCKED:
        return StartRefusedError(refusal.message, reason=FailureReason.QUOTA)
    return NotNowError(refusal.message)
