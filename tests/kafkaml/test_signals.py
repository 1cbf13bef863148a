import subprocess
import sys

SERVICE = """
import asyncio, os, signal
from kafkaml.signals import stop_on_signals

async def run():
    stop = asyncio.Event()
    stop_on_signals(stop.set)
    os.kill(os.getpid(), signal.SIGTERM)
    await asyncio.wait_for(stop.wait(), 10)
    print("stopped")

asyncio.run(run())
os.kill(os.getpid(), signal.SIGTERM)
os.kill(os.getpid(), signal.SIGINT)
print("left in order")
"""


def test_signals_after_the_first_change_nothing() -> None:
    done = subprocess.run(
        [sys.executable, "-c", SERVICE],
        check=True,
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert done.stdout.split("\n") == ["stopped", "left in order", ""]
