import sys
from datetime import timedelta
from pathlib import Path

import pytest

from kafkaml_local.exceptions import PartError
from kafkaml_local.home import Home
from kafkaml_local.services import Service, ServiceFactory, Task

PRINT_SETTINGS = (
    "import os, time;"
    "print(sorted(n for n in os.environ if n.upper().startswith('KAFKA_ML_')), flush=True);"
    "time.sleep(60)"
)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path / ".kafkaml")
    home.make()
    return home


def test_settings_of_the_users_shell_do_not_reach_a_service(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KAFKA_ML_PORT", "1")
    monkeypatch.setenv("kafka_ml_sasl_username", "somebody")
    monkeypatch.setenv("HTTP_PROXY", "http://proxy")
    factory = ServiceFactory(home=home, database_url="postgresql+asyncpg://db")
    environment = factory.migration().environment

    ours = {name for name in environment if name.upper().startswith("KAFKA_ML")}
    assert ours == {"KAFKA_ML_DATABASE_URL"}
    assert environment["HTTP_PROXY"] == "http://proxy"


def test_users_may_set_what_workloads_are_told(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KAFKA_ML_PREDICT_AUTH", "none")
    monkeypatch.setenv("KAFKA_ML_INFERENCER_SETTINGS", '{"ENGINE": "keras"}')
    monkeypatch.setenv("KAFKA_ML_TOKEN", "of another platform")
    factory = ServiceFactory(home=home, database_url="postgresql+asyncpg://db")
    *others, orchestrator = factory.services()

    told = orchestrator.environment
    assert told["KAFKA_ML_PREDICT_AUTH"] == "none"
    assert told["KAFKA_ML_INFERENCER_SETTINGS"] == '{"ENGINE": "keras"}'
    assert told["KAFKA_ML_TOKEN"] == home.secrets().orchestrator_token
    assert all("KAFKA_ML_PREDICT_AUTH" not in each.environment for each in others)


def test_the_services_start_in_order(home: Home) -> None:
    factory = ServiceFactory(home=home, database_url="postgresql+asyncpg://db")
    names = [service.name for service in factory.services()]
    assert names == ["api", "relay", "control-logger", "orchestrator"]


def test_a_service_without_an_address_is_ready_when_it_lived_a_moment(
    tmp_path: Path,
) -> None:
    service = Service(
        name="sleeper",
        command=[sys.executable, "-c", PRINT_SETTINGS],
        environment={"KAFKA_ML_URL": "http://api"},
        directory=tmp_path / "sleeper",
    )
    try:
        service.start()
        service.wait_ready(timedelta(seconds=20))
        assert service.process.log.read_text() == "['KAFKA_ML_URL']\n"
    finally:
        service.stop()


def test_a_task_that_fails_is_named_with_what_it_wrote(tmp_path: Path) -> None:
    task = Task(
        name="migrate",
        command=[sys.executable, "-c", "raise SystemExit('no such table')"],
        environment={},
        directory=tmp_path / "migrate",
    )
    with pytest.raises(PartError, match=r"(?s)^migrate has failed \(1\).*no such table"):
        task.run(timedelta(seconds=20))
