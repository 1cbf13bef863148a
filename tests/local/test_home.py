import re
import socket
import stat
from datetime import timedelta
from pathlib import Path

import pytest

from kafkaml_local.exceptions import StateError
from kafkaml_local.home import Home, Ports
from kafkaml_local.ports import LOCALHOST, free_port, is_free


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path / ".kafkaml")
    home.make()
    return home


def permissions(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_the_folder_and_its_secrets_are_for_their_owner_only(home: Home) -> None:
    assert permissions(home.path) == 0o700
    assert permissions(home.path / "secrets.json") == 0o600


def test_secrets_are_made_once_and_are_all_different(home: Home) -> None:
    secrets = home.secrets()
    home.make()

    assert home.secrets() == secrets
    tokens = set(secrets.model_dump().values())
    assert len(tokens) == 3
    assert all(re.fullmatch(r"kml_[\w-]{43}", token) for token in tokens)


def test_ports_are_remembered(home: Home) -> None:
    ports = Ports(api=free_port())
    home.write_ports(ports)
    home.make()
    assert home.ports() == ports


def test_the_named_folder_wins_over_the_current_one(tmp_path: Path) -> None:
    named = Home.from_environment({"KAFKA_ML_HOME": str(tmp_path)})
    assert named.path == tmp_path
    assert Home.from_environment({}).path == Path.cwd() / ".kafkaml"


def test_a_folder_without_a_platform_says_how_to_start_one(tmp_path: Path) -> None:
    with pytest.raises(StateError, match="kafkaml-local up"):
        Home(tmp_path).secrets()


@pytest.mark.parametrize("content", ["", "[]", '{"admin_token": 1}', "\0"])
def test_a_broken_file_is_named_without_its_content(home: Home, content: str) -> None:
    (home.path / "secrets.json").write_text(content)
    with pytest.raises(StateError, match=r"secrets\.json cannot be read"):
        home.secrets()


def test_one_command_at_a_time(home: Home) -> None:
    with (
        home.lock(timedelta(seconds=1)),
        pytest.raises(StateError, match="another command"),
        home.lock(timedelta(seconds=0.1)),
    ):
        pass
    with home.lock(timedelta(seconds=1)):
        pass


def test_a_port_that_somebody_took_is_replaced_and_ours_are_kept() -> None:
    with socket.socket() as stranger, socket.socket() as own:
        for listener in (stranger, own):
            listener.bind((LOCALHOST, 0))
            listener.listen()
        ports = Ports(
            api=stranger.getsockname()[1],
            kafka=own.getsockname()[1],
            kafka_controller=free_port(),
            postgres=free_port(),
        )

        chosen = ports.replace_taken(ours=frozenset({"kafka"}))

        assert chosen.kafka == ports.kafka
        assert chosen.api != ports.api
        assert is_free(chosen.api)
        assert chosen.postgres == ports.postgres
        assert len(set(chosen.model_dump().values())) == 4


def test_the_usual_port_is_taken_when_it_is_free() -> None:
    usual = free_port()
    assert free_port(usual=usual) == usual
    assert free_port(usual=usual, taken=[usual]) != usual
