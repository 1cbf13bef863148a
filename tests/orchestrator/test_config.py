from datetime import timedelta

import pytest
from pydantic import ValidationError

from kafkaml.schemas.workloads import WorkloadKind
from orchestrator.config import Settings
from orchestrator.exceptions import SettingsError
from orchestrator.main import read_settings


@pytest.mark.parametrize("text", ["0.5", "PT0.5S"])
def test_durations_are_seconds_or_iso_8601(
    monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setenv("KAFKA_ML_PASS_INTERVAL", text)
    assert Settings().pass_interval == timedelta(seconds=0.5)


def test_a_duration_of_nothing_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAFKA_ML_PASS_INTERVAL", "0")
    with pytest.raises(ValidationError):
        Settings()


def test_commands_can_be_set_per_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAFKA_ML_TRAINER_COMMAND", '["nice", "trainer"]')
    commands = Settings().commands
    assert commands[WorkloadKind.CHECK] == ["nice", "trainer"]
    assert commands[WorkloadKind.TRAINING] == ["nice", "trainer"]
    assert commands[WorkloadKind.INFERENCE][1:] == ["-m", "inferencer.main"]


def test_a_bad_setting_is_told_by_the_name_of_its_variable(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("KAFKA_ML_EXECUTOR", "nomad")
    with pytest.raises(SettingsError, match=r"KAFKA_ML_EXECUTOR: .* 'kubernetes'"):
        read_settings()


def test_a_list_that_is_no_json_is_told_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAFKA_ML_TRAINER_COMMAND", "python -m trainer.main")
    with pytest.raises(SettingsError, match="trainer_command"):
        read_settings()
