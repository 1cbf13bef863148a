import subprocess
import sys
from pathlib import Path

TERMINATED_WHILE_IMPORTED = """
import os, signal, time
os.kill(os.getpid(), signal.SIGTERM)
time.sleep(30)
"""
RUN = "import sys; sys.path.insert(0, '.'); from kafkaml.entry import run; run('slow')"


def run_module(source: str, folder: Path) -> "subprocess.CompletedProcess[str]":
    (folder / "slow.py").write_text(source)
    return subprocess.run(
        [sys.executable, "-c", RUN],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=20,
    )


def test_a_process_heeds_sigterm_while_it_imports(tmp_path: Path) -> None:
    assert run_module(TERMINATED_WHILE_IMPORTED, tmp_path).returncode == 143


def test_the_main_function_runs(tmp_path: Path) -> None:
    done = run_module("def main():\n    print('here')", tmp_path)
    assert (done.returncode, done.stdout) == (0, "here\n")
