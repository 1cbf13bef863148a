#!/usr/bin/env python
"""Runs models that do harm, cold and warm; prints how each of them ended.

    tests/soak/payloads.py [PART OF A NAME] [COUNT]

All by default, or as many as told, drawn by chance. After each of them a healthy training
has to succeed in the same place. Exit 1 if one did not end as it must. About 12 s each.
"""

import random
import sys
import tempfile
from pathlib import Path

import psutil

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from tests.trainer.orders import CLASSIFIER  # noqa: E402
from tests.trainer.payloads import (  # noqa: E402
    MARGIN_SECONDS,
    PAYLOADS,
    Payload,
    end_of,
)
from tests.trainer.warm import warm_standby  # noqa: E402

from trainer.exceptions import PlatformError  # noqa: E402
from trainer.sandbox.standby import Standby  # noqa: E402


def main() -> None:
    """Run them all, or those whose name has the given part."""
    wanted = [each for each in PAYLOADS if "".join(sys.argv[1:2]) in each.name]
    if len(sys.argv) > 2:
        count = min(len(wanted), int(sys.argv[2]))
        wanted = random.SystemRandom().sample(wanted, count)
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        with warm_standby(place / "log") as (standby, process):
            failed: list[str] = []
            for number, payload in enumerate(wanted):
                for kind, each in (("warm", standby), ("cold", None)):
                    verdict = _run(payload, place / f"{number}-{kind}", each)
                    left = _ours() - {process}
                    if "FAIL" in verdict or left:
                        failed.append(f"{payload.name} ({kind})")
                    print(
                        f"{payload.name:32} {kind} {verdict}  left: {len(left)}", flush=True
                    )
    print(f"{len(wanted)} payloads, {len(failed)} failed {', '.join(failed)}")
    sys.exit(bool(failed))


def _run(payload: Payload, folder: Path, standby: Standby | None) -> str:
    try:
        end = end_of(payload.source, folder / "payload", standby, limits=payload.limits)
        next_one = end_of(CLASSIFIER, folder / "next", standby)
    except PlatformError as e:
        return f"FAIL  {e}"
    is_right = (
        end.reason == payload.reason
        and payload.text in end.message
        and end.seconds < payload.limits.longest + MARGIN_SECONDS
        and next_one.reason is None
    )
    text = (end.message.splitlines() or [""])[0][:70]
    times = f"{end.seconds:5.1f} s  next {next_one.seconds:4.1f} s"
    verdict = "PASS" if is_right else "FAIL"
    return f"{end.reason or 'succeeds':10} {times}  {verdict}  {text}"


def _ours() -> set[psutil.Process]:
    """Return all processes that this one, and what it has started, have started."""
    return set(psutil.Process().children(recursive=True))


if __name__ == "__main__":
    main()
