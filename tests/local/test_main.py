from pathlib import Path

import pytest
from typer.testing import CliRunner

from kafkaml_local.home import Home
from kafkaml_local.main import app


@pytest.fixture
def run(tmp_path: Path) -> CliRunner:
    return CliRunner(env={"KAFKA_ML_HOME": str(tmp_path / "home")})


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path / "home")
    home.make()
    return home


@pytest.mark.parametrize("command", [["env"], ["status"], ["down"], ["logs", "api"]])
def test_without_a_platform_every_command_says_how_to_start_one(
    run: CliRunner, command: list[str]
) -> None:
    result = run.invoke(app, command)
    assert result.exit_code == 1
    assert "start one with `kafkaml-local up`" in result.stderr
    assert result.stdout == ""


def test_env_prints_lines_for_a_shell(run: CliRunner, home: Home) -> None:
    result = run.invoke(app, ["env"])
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        f"export KAFKA_ML_URL=http://127.0.0.1:{home.ports().api}",
        f"export KAFKA_ML_TOKEN={home.secrets().admin_token}",
        f"export KAFKA_ML_BOOTSTRAP_SERVERS=127.0.0.1:{home.ports().kafka}",
    ]
    assert "does not run now" in result.stderr


def test_status_of_a_stopped_platform_is_no_failure(run: CliRunner, home: Home) -> None:
    result = run.invoke(app, ["status"])
    assert result.exit_code == 0
    assert result.stdout.count("│ stopped") == 7
    assert f"{home.path}/<part>/log.txt" in result.stdout


def test_status_names_a_part_that_died_and_its_log(run: CliRunner, home: Home) -> None:
    folder = home.part("relay")
    folder.mkdir()
    (folder / "process.json").write_text('{"pid": 1, "started": 0.0}')

    result = run.invoke(app, ["status"])

    assert result.exit_code == 1
    assert f"relay has died; its log: {folder / 'log.txt'}" in result.stderr


def test_logs_prints_the_newest_lines(run: CliRunner, home: Home) -> None:
    home.part("api").mkdir()
    (home.part("api") / "log.txt").write_text("one\ntwo\nthree\n")
    result = run.invoke(app, ["logs", "api", "-n", "2"])
    assert result.stdout == "two\nthree\n"


def test_logs_of_an_unknown_part_names_the_parts(run: CliRunner, home: Home) -> None:
    assert home.path.exists()
    result = run.invoke(app, ["logs", "nothing"])
    assert result.exit_code == 1
    assert "there is no part 'nothing'; there are" in result.stderr
    assert "orchestrator" in result.stderr


def test_logs_of_a_part_that_never_ran(run: CliRunner, home: Home) -> None:
    assert home.path.exists()
    result = run.invoke(app, ["logs", "api"])
    assert "api has written no log yet" in result.stderr


def test_down_of_a_stopped_platform_does_no_harm(run: CliRunner, home: Home) -> None:
    assert home.path.exists()
    assert run.invoke(app, ["down"]).exit_code == 0
