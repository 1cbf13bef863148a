"""What the folder of a replica says about it."""

from datetime import UTC, datetime
from typing import Any

from kafkaml.schemas.workloads import Phase
from orchestrator.executors.base import Replica
from orchestrator.executors.replica_directory import ReplicaDirectory


def read_replica(directory: ReplicaDirectory) -> Replica | None:
    """Return the replica; None if no trace of a start is in the folder."""
    # The lock first: a runner writes how it ended before it lets go of the lock.
    if directory.is_locked():
        return _replica(directory, directory.read("run") or {}, phase=Phase.RUNNING)
    return read_ended(directory)


def read_ended(directory: ReplicaDirectory) -> Replica | None:
    """Return a replica whose lock nobody else holds; None if it was never started."""
    run = directory.read("run")
    if run is None:
        return None
    end = directory.read("exit") or {}
    return _replica(
        directory,
        run,
        phase=Phase.EXITED,
        exit_code=end.get("exit_code"),
        reason=end.get("reason"),
        message=end.get("message", ""),
        exited_at=_time_of(end, "exited_at") or _last_sign_of_life(directory),
    )


def _replica(
    directory: ReplicaDirectory, run: dict[str, Any], *, phase: Phase, **end: Any
) -> Replica:
    return Replica(
        name=directory.path.parent.name,
        replica=int(directory.path.name),
        phase=phase,
        starts=run.get("starts", 0),
        restarts=run.get("restarts", 0),
        started_at=_time_of(run, "started_at"),
        log_revision=_log_revision(directory),
        **end,
    )


def _time_of(record: dict[str, Any], field: str) -> datetime | None:
    text = record.get(field)
    return datetime.fromisoformat(text) if text else None


def _last_sign_of_life(directory: ReplicaDirectory) -> datetime:
    """Return when a lost run last wrote something."""
    paths = (directory.path / "run.json", directory.log)
    newest = max(path.stat().st_mtime for path in paths if path.exists())
    return datetime.fromtimestamp(newest, UTC)


def _log_revision(directory: ReplicaDirectory) -> int:
    try:
        log = directory.log.stat()
    except FileNotFoundError:
        return 0
    return log.st_mtime_ns if log.st_size or directory.older_log.exists() else 0
