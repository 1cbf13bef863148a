"""A file that a loop touches as it turns, and the probe that looks at its age.

    python -m kafkaml.heartbeat FILE SECONDS

ends with 0 if the file was touched that recently, else with 1. It starts fast, for it runs
every few seconds beside the process that it watches.
"""

import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

_USAGE = "usage: python -m kafkaml.heartbeat FILE SECONDS"


class Heartbeat:
    """Says that a loop turns; without a path to nobody."""

    def __init__(self, path: Path | None) -> None:
        self._path = path

    def beat(self) -> None:
        """Touch the file; raise OSError if that is impossible."""
        if self._path is not None:
            self._path.touch()


class Finding(NamedTuple):
    """What a probe found."""

    is_fresh: bool
    text: str


def probe(path: Path, longest_seconds: float) -> Finding:
    """Look whether a file was touched within that time."""
    try:
        touched_at = path.stat().st_mtime
    except OSError as e:
        return Finding(is_fresh=False, text=f"no heartbeat yet: {e}")
    # After the clock was set back, an old beat may lie in the future: it proves nothing.
    seconds = abs(time.time() - touched_at)
    text = f"last heartbeat {seconds:.1f} s ago, at most {longest_seconds:g} s are allowed"
    return Finding(is_fresh=seconds <= longest_seconds, text=text)


def main(arguments: Sequence[str]) -> int:
    """Return the exit code of the probe: 0 fresh, 1 not, 2 wrong arguments."""
    try:
        file, seconds = arguments
        finding = probe(Path(file), float(seconds))
    except ValueError:
        sys.stderr.write(f"{_USAGE}\n")
        return 2
    sys.stderr.write(f"{finding.text}\n")
    return 0 if finding.is_fresh else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
