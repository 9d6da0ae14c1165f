"""Commands of the lasting stack: `up` and `down`."""

from pathlib import Path
from typing import Annotated

import typer

from flows.cli.common import COMMON, environment, note, show, with_common_flags
from storage.errors import InputError


def register(app: typer.Typer) -> None:
    """Add the commands."""
    for command in (up, down):
        app.command()(with_common_flags(command))


def up(
    host: Annotated[
        str, typer.Option(help="Address of Prefect's server; not loopback needs a password")
    ] = "127.0.0.1",
    prefect_port: Annotated[
        int, typer.Option(help="Port of Prefect's server and UI; 0 for any")
    ] = 4200,
    mlflow_port: Annotated[int, typer.Option(help="Port of MLflow, on loopback; 0 for any")] = 5000,
    explore_port: Annotated[
        int, typer.Option(help="Port of the explorer, on loopback; 0 for any")
    ] = 2718,
    deployments: Annotated[
        Path | None,
        typer.Option(
            help="A prefect.yaml of your own in place of the built-in one", metavar="FILE"
        ),
    ] = None,
    background: Annotated[
        bool, typer.Option("--background", help="Return when all of it is ready")
    ] = False,
) -> None:
    """Start Prefect's server on Postgres, MLflow and a worker, with every deployment."""
    from flows.stack.plan import OWN_DEPLOYMENTS, Ports
    from flows.stack.up import run_stack, running_stack, start_in_background
    from storage.environment import make_home, private_folder

    places = environment()
    file = (deployments or OWN_DEPLOYMENTS).absolute()
    if not file.is_file():
        raise InputError(f"--deployments names a prefect.yaml; {str(file)!r} is not a file.")
    if COMMON.dry_run:
        show(
            {"home": places.home, "file": file},
            f"Would start the stack of {places.home} with {file}.",
        )
        return
    if not running_stack(places):
        make_home(places)
        private_folder(places.logs)
        if not background:
            run_stack(places, host, Ports(prefect_port, mlflow_port, explore_port), file, note)
            return
        named = {"prefect": prefect_port, "mlflow": mlflow_port, "explore": explore_port}
        ports = [word for name, port in named.items() for word in (f"--{name}-port", str(port))]
        start_in_background(places, ["--host", host, *ports, "--deployments", str(file)], note)
    running = running_stack(places)
    show(running, "\n".join(f"{name:9}{value}" for name, value in running.items()))


def down() -> None:
    """End the stack of this home: runs are cancelled cleanly, and nothing is left behind."""
    from flows.stack.up import end_stack, running_stack

    places = environment()
    if COMMON.dry_run:
        show(running_stack(places), f"Would end the stack of {places.home}.")
        return
    ended = end_stack(places)
    show({"ended": ended}, "The stack has ended." if ended else f"No stack of {places.home} runs.")
