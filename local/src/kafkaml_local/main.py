"""`kafkaml-local`: the whole platform on one machine."""

import os
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.panel import Panel
from rich.table import Table

from kafkaml_local import platform
from kafkaml_local.exceptions import LocalError, StateError
from kafkaml_local.home import Home
from kafkaml_local.platform import Platform
from kafkaml_local.status import PartState, PartStatus

FOLLOW_SECONDS = 0.5
MEBIBYTE = 1024 * 1024

app = typer.Typer(
    help="Run the whole Kafka-ML platform on this machine.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
console = Console()
errors = Console(stderr=True)


@contextmanager
def readable_errors() -> Iterator[None]:
    """End with the text of an error that we raise on purpose."""
    try:
        yield
    except LocalError as error:
        errors.print("[bold red]Error:[/]", end=" ")
        errors.print(str(error), markup=False, highlight=False, soft_wrap=True)
        raise typer.Exit(1) from error
    except KeyboardInterrupt as error:
        errors.print(
            "Interrupted. What runs goes on: [b]up[/] continues, [b]down[/] stops."
        )
        raise typer.Exit(130) from error


@app.command()
def up() -> None:
    """Start the platform, or what of it does not run, and wait until it is ready."""
    home = Home.from_environment(os.environ)
    begin = time.monotonic()
    with readable_errors():
        with console.status("starting") as spinner:
            started = platform.up(home, spinner.update)
        console.print(_welcome(home, started, time.monotonic() - begin))


@app.command()
def down() -> None:
    """Stop the platform; nothing is lost."""
    home = Home.from_environment(os.environ)
    with readable_errors():
        with console.status("stopping") as spinner:
            platform.down(home, spinner.update)
        console.print("Stopped. [b]kafkaml-local up[/] goes on where it was.")


@app.command()
def status() -> None:
    """Show every part; exit 1 if one has died."""
    with readable_errors():
        home = Home.from_environment(os.environ)
        statuses = [PartStatus.from_part(part) for part in Platform(home=home).parts]
        console.print(_table(statuses))
        console.print(f"Logs: {home.path}/<part>/log.txt", soft_wrap=True)
        died = [each for each in statuses if each.state is PartState.DIED]
        if died:
            names = "\n".join(f"{each.name} has died; its log: {each.log}" for each in died)
            raise LocalError(f"{names}\n`kafkaml-local up` starts what does not run.")


@app.command()
def env() -> None:
    """Print what a shell needs to use the platform: `eval "$(kafkaml-local env)"`."""
    with readable_errors():
        home = Home.from_environment(os.environ)
        secrets, running = home.secrets(), Platform(home=home)
        typer.echo(f"export KAFKA_ML_URL={running.url}")
        typer.echo(f"export KAFKA_ML_TOKEN={secrets.admin_token}")
        typer.echo(f"export KAFKA_ML_BOOTSTRAP_SERVERS={running.bootstrap_servers}")
        if not running.is_running():
            errors.print("It does not run now: start it with [b]kafkaml-local up[/].")


@app.command()
def logs(
    part: Annotated[str, typer.Argument(help="the name of a part, as `status` shows it")],
    *,
    lines: Annotated[int, typer.Option("--lines", "-n", min=0, help="how many")] = 100,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="and what comes")] = False,
) -> None:
    """Print the newest lines of a part's log."""
    with readable_errors():
        log = _log_of(part)
        with log.open(encoding="utf-8", errors="replace") as stream:
            typer.echo("".join(deque(stream, maxlen=lines)), nl=False)
            while follow:
                if log.stat().st_size < stream.tell():  # it was full, and was cut
                    stream.seek(0)
                typer.echo(stream.read(), nl=False)
                time.sleep(FOLLOW_SECONDS)


def _log_of(name: str) -> Path:
    home = Home.from_environment(os.environ)
    names = [part.name for part in Platform(home=home).parts] + ["migrate"]
    if name not in names:
        raise StateError(f"there is no part {name!r}; there are {', '.join(names)}")
    log = home.part(name) / "log.txt"
    if not log.exists():
        raise StateError(f"{name} has written no log yet")
    return log


def _welcome(home: Home, started: Platform, seconds: float) -> Panel:
    rows = Table.grid(padding=(0, 2))
    rows.add_row("API", started.url)
    rows.add_row("Swagger UI", f"{started.url}/docs")
    rows.add_row("Kafka", started.bootstrap_servers)
    rows.add_row("Admin token", home.secrets().admin_token)
    rows.add_row("In a shell", 'eval "$(kafkaml-local env)"')
    return Panel(rows, title=f"Kafka-ML is up ({seconds:.0f} s)", expand=False)


def _table(statuses: list[PartStatus]) -> Table:
    total = sum(each.memory_bytes for each in statuses) / MEBIBYTE
    table = Table(show_footer=True)
    table.add_column("Part", footer="all")
    table.add_column("State")
    table.add_column("Pid", justify="right")
    table.add_column("Memory", justify="right", footer=f"{total:.0f} MiB")
    table.add_column("Address")
    colors = {PartState.RUNNING: "green", PartState.STOPPED: "dim", PartState.DIED: "red"}
    for each in statuses:
        table.add_row(
            each.name,
            f"[{colors[each.state]}]{each.state}[/]",
            str(each.pid or ""),
            f"{each.memory_bytes / MEBIBYTE:.0f} MiB" if each.pid else "",
            each.address,
        )
    return table


def main() -> None:
    app()


if __name__ == "__main__":
    main()
