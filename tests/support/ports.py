"""Ports for servers of a test, away from the usual ones of a platform that runs beside."""

from kafkaml_local.home import Home, Ports
from kafkaml_local.ports import free_port


def make_home(home: Home) -> None:
    """Make a state folder whose servers listen on ports that are free now."""
    home.make()
    chosen: dict[str, int] = {}
    for name in Ports.model_fields:
        chosen[name] = free_port(taken=chosen.values())
    home.write_ports(Ports.model_validate(chosen))
