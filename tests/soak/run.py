#!/usr/bin/env python
"""Runs the campaigns of this folder for about as long as it is told; `make soak` calls it.

    tests/soak/run.py [MINUTES] [CAMPAIGN ...]

30 minutes by default, in equal shares for all campaigns, or for those that are named. A
campaign is never cut to nothing: two minutes each is the least that it makes sense to give.
At the end it prints what passed. Exit 1 if one did not, or took far longer than its share.
"""

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from threading import Timer

FOLDER = Path(__file__).parent
MINUTES = 30.0
# What a slow machine may need beside a multiple of the share.
MARGIN_SECONDS = 900.0
END_SECONDS = 120.0


def kills(seconds: float) -> list[int]:
    return [_at_least(2, seconds / 10)]


def attempts(seconds: float) -> list[int]:
    return [_at_least(2, (seconds - 60) / 8)]


def payloads(seconds: float) -> list[str | int]:
    return ["", _at_least(2, seconds / 12)]


def outage(seconds: float) -> list[int]:
    return [_at_least(20, (seconds - 60) / 2)]  # one fit takes two outages


def records(seconds: float) -> list[int]:
    return [_at_least(100_000, seconds * 10_000)]


def faults(seconds: float) -> list[int]:
    count = _at_least(2, seconds / 16)  # 8 s, for each of two guarantees
    return [2000 * count, count]


def relays(seconds: float) -> list[int]:
    return [_at_least(20, seconds / 3)]


CAMPAIGNS: dict[str, Callable[[float], list[int] | list[str | int]]] = {
    "trainer_kills": kills,
    "attempt_kills": attempts,
    "payloads": payloads,
    "api_away": outage,
    "large_stream": records,
    "inference_kills": faults,
    "relay_kills": relays,
}


@dataclass(frozen=True)
class Verdict:
    """How a campaign ended, and what it said last."""

    name: str
    code: int
    seconds: float
    last: str

    def __str__(self) -> str:
        word = "PASS" if self.code == 0 else "FAIL"
        return f"{self.name:<16} {word} {self.seconds:>7.0f} s  {self.last[:100]}"


def main() -> None:
    """Run them one after the other."""
    minutes = float(sys.argv[1]) if len(sys.argv) > 1 else MINUTES
    names = sys.argv[2:] or list(CAMPAIGNS)
    if unknown := set(names) - set(CAMPAIGNS):
        sys.exit(
            f"no campaign is called {min(unknown)!r}; there are {', '.join(CAMPAIGNS)}"
        )
    share = minutes * 60 / len(names)
    verdicts = [_run(name, share) for name in names]
    print("\n" + "\n".join(map(str, verdicts)))
    sys.exit(any(each.code for each in verdicts))


def _run(name: str, seconds: float) -> Verdict:
    command = [sys.executable, FOLDER / f"{name}.py", *CAMPAIGNS[name](seconds)]
    print(f"\n{name} {' '.join(map(str, command[2:]))}", flush=True)
    started, last = time.monotonic(), ""
    with subprocess.Popen(
        list(map(str, command)),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        errors="replace",
    ) as campaign:
        limits = _limits(campaign, 3 * seconds + MARGIN_SECONDS)
        for line in campaign.stdout or ():
            print(line, end="", flush=True)
            last = line.strip() or last
        code = campaign.wait()
        for each in limits:
            each.cancel()
    return Verdict(name, code, time.monotonic() - started, last)


def _limits(campaign: "subprocess.Popen[str]", seconds: float) -> list[Timer]:
    """End a campaign that takes too long: first so that it ends what it has started."""
    limits = [
        Timer(seconds, campaign.send_signal, [signal.SIGINT]),
        Timer(seconds + END_SECONDS, campaign.kill),
    ]
    for each in limits:
        each.daemon = True
        each.start()
    return limits


def _at_least(least: int, value: float) -> int:
    return max(least, round(value))


if __name__ == "__main__":
    main()
