import inspect
import subprocess
import sys
from pathlib import Path

import pytest

from kafkaml.client import AsyncClient, Client
from kafkaml.events import CloudEvent, TrainingFinished, UnknownEvent
from kafkaml.schemas.deployments import DeploymentCreate
from kafkaml.schemas.inferences import InferenceCreate

ROOT = Path(__file__).parents[3]


def test_the_synchronous_client_is_made_from_the_asynchronous_one() -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "shared/scripts/unasync.py", "--check"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_importing_the_client_is_light() -> None:
    heavy = "{'tensorflow', 'keras', 'numpy', 'confluent_kafka', 'aiokafka'}"
    code = f"import sys, kafkaml.client; assert not {heavy} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_httpx_is_known_in_one_module() -> None:
    folder = ROOT / "shared/src/kafkaml/client"
    names = {path.name for path in folder.rglob("*.py") if "httpx" in _code(path)}
    assert names == {"_transport.py"}


def _code(path: Path) -> str:
    lines = path.read_text().splitlines()
    return "".join(line for line in lines if line.startswith(("import ", "from ")))


@pytest.mark.parametrize("client_type", [Client, AsyncClient])
def test_every_field_of_a_deployment_can_be_given_by_keyword(
    client_type: type[Client] | type[AsyncClient],
) -> None:
    client = client_type("http://localhost")
    parameters = inspect.signature(client.deployments.create).parameters
    fields = DeploymentCreate.model_fields
    assert set(parameters) == set(fields)
    for name in set(fields) - {"configuration_id"}:
        assert parameters[name].default == fields[name].get_default(
            call_default_factory=True
        )
    assert set(inspect.signature(client.inferences.create).parameters) == set(
        InferenceCreate.model_fields
    )


def test_an_event_survives_the_way_as_one_document() -> None:
    event = CloudEvent.of(TrainingFinished(id=1, deployment_id=2, attempt=3))
    assert CloudEvent.from_structured(event.to_structured()) == event


def test_an_event_of_an_unknown_type_is_read() -> None:
    document = CloudEvent.of(TrainingFinished(id=1, deployment_id=2, attempt=3))
    text = document.to_structured().replace(b"training.finished", b"training.painted")
    event = CloudEvent.from_structured(text)
    assert event.type == "training.painted"
    assert isinstance(event.data, UnknownEvent)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"type":"training.finished"}', "null"])
def test_what_is_no_event_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        CloudEvent.from_structured(text)
