"""The commands of the documentation, as they stand there."""

import re
import subprocess
from pathlib import Path

import pytest

from kafkaml.client import Client
from kafkaml.exceptions import ProblemError
from kafkaml.schemas.states import InferenceState
from tests.e2e.scenarios import separable, unique

from .installation import ROOT, Installation
from .kubectl import KUBECTL, PLATFORM, kubectl
from .scenarios import PATIENCE, running_pod, serve, train

DOCUMENT = ROOT / "docs" / "kubernetes.md"


def run_documented(name: str, directory: Path) -> None:
    """Run the block of commands that the documentation marks so."""
    pattern = rf"<!-- tested: {name} -->\n```sh\n(.*?)```"
    (commands,) = re.findall(pattern, DOCUMENT.read_text(), flags=re.DOTALL)
    script = f'kubectl() {{ command "{KUBECTL}" "$@"; }}\n{commands}'
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=directory,
        capture_output=True,
        text=True,
        check=False,
        timeout=500,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_restored_backup_is_as_it_was(
    platform: Installation, client: Client, tmp_path: Path
) -> None:
    training, _ = train(platform, client)
    inference = serve(client, training)
    artifact = client.trainings.download(training.id, tmp_path / "before").read_bytes()
    run_documented("back up", tmp_path)

    client.inferences.stop(inference.id)
    later = client.models.create(name=unique("later"), source="model = None")
    empty = ("sh", "-c", "rm -r /artifacts/*")
    kubectl("exec", "--namespace", PLATFORM, "deployment/api", "-c", "api", "--", *empty)
    run_documented("restore", tmp_path)
    platform.wait_ready()

    with pytest.raises(ProblemError) as raised:
        client.models.get(later.id)
    assert raised.value.problem.status == 404
    again = client.trainings.download(training.id, tmp_path / "after").read_bytes()
    assert again == artifact

    # That it serves is what the backup says; so see that it does.
    running_pod("inference", inference.id)
    points, _ = separable(20, seed=11)
    servers = platform.bootstrap_servers
    answers = client.inferences.predict(
        inference.id, points, bootstrap_servers=servers, timeout=PATIENCE
    )
    assert len(answers) == 20
    assert client.inferences.get(inference.id).state is InferenceState.SERVING
    client.inferences.stop(inference.id)
