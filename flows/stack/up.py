"""A home's stack from start to end: one at a time, found again by `down` and a second `up`."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

from flows.runs.prefect_server import CLIENT_AUTH, SERVER_AUTH, new_auth_string, temporary_database
from flows.stack.plan import Ports, Stack, free_port
from flows.stack.postgres import prepare_postgres
from flows.stack.service import last_line
from flows.stack.supervisor import Supervisor
from storage.environment import Environment, private_folder, secret, write_secret
from storage.errors import InputError, PermanentError
from storage.locks import owned, owner_of
from tasks.web_guard import LOOPBACK_NAMES

# the grace of all programs together; and a first start, which makes databases
DOWN_SECONDS, READY_SECONDS = 180.0, 900.0

EARLIER = (
    "rounds that ran without this stack had a Prefect server of their own: see them under explore"
    " and MLflow, or by `regenesis report`. To have the next ones here, set PREFECT_API_URL"
    " (docs/nightly.md)"
)

Say = Callable[[str], None]


def run_stack(
    environment: Environment, host: str, ports: Ports, prefect_file: Path, say: Say
) -> None:
    """The stack in this process until SIGINT or SIGTERM."""
    _check_host(host)
    folder = stack_folder(environment)
    with _only_stack(environment):
        (folder / "stack.json").unlink(missing_ok=True)  # of one that was killed
        stack = _planned(environment, host, ports, folder, say)
        supervisor = Supervisor(environment, stack, say)
        ended = threading.Event()
        # SIGHUP too: a closed terminal ends the stack in order
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, lambda _number, _frame: _end(ended))
        try:
            supervisor.start(prefect_file)
            described = describe(stack)
            (folder / "stack.json").write_text(json.dumps(described), "utf-8")
            say(
                "\n".join(f"{name:9}{value}" for name, value in described.items())
                + "\nCtrl-C ends all of it."
            )
            supervisor.keep(ended)
        except KeyboardInterrupt:
            pass
        finally:
            (folder / "stack.json").unlink(missing_ok=True)
            say("Ending the stack ...")
            supervisor.stop()
            say("Nothing of it runs any more.")


def describe(stack: Stack) -> dict[str, str]:
    """What a person opens, and what holds Prefect's database."""
    database = f"Postgres on port {stack.ports.postgres}" if stack.postgres else "SQLite"
    pages = {"Prefect": stack.prefect_url, "MLflow": stack.mlflow_url, "password": _password(stack)}
    pages |= {"explore": _pages(stack), "database": database, "home": str(stack.home)}
    return pages | ({"earlier": EARLIER} if temporary_database(stack.home).is_file() else {})


def _password(stack: Stack) -> str:
    return f"${SERVER_AUTH}" if secret(SERVER_AUTH) else str(stack.password_file)


def _pages(stack: Stack) -> str:
    return (
        f"{stack.explore_url} after the first round; its address with the token:"
        f" {stack.home / 'logs/explore.log'}"
    )


def running_stack(environment: Environment) -> dict[str, str]:
    """The description of the stack that runs and is ready; empty when there is none."""
    if not owner_of(stack_lock(environment)):
        return {}
    # written after everything has answered, so it is there only for a stack that is ready
    with suppress(OSError, ValueError):
        return json.loads((stack_folder(environment) / "stack.json").read_text("utf-8"))
    return {}


def start_in_background(environment: Environment, arguments: list[str], say: Say) -> None:
    """`regenesis up` as its own process; returns when it is ready, raises if it ends before."""
    log_file = environment.logs / "up.log"
    private_folder(log_file.parent)
    with log_file.open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "flows.cli.main", "up", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            env=os.environ | {"REGENESIS_HOME": str(environment.home)},
        )
    say("Starting the stack; the first time takes a minute or two ...")
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        if running_stack(environment):
            return
        time.sleep(0.5)
    raise PermanentError(f"The stack did not start: {last_line(log_file)!r}. All of it: {log_file}")


def end_stack(environment: Environment) -> bool:
    """End the stack of this home, wherever it was started; False when none runs."""
    lock = stack_lock(environment)
    owner = owner_of(lock)
    if not owner:
        return False
    with suppress(ProcessLookupError):
        os.kill(owner, signal.SIGTERM)
    deadline = time.monotonic() + DOWN_SECONDS
    while owner_of(lock) == owner:
        if time.monotonic() > deadline:
            raise PermanentError(
                f"The stack (process {owner}) has not ended within {DOWN_SECONDS:.0f} s; kill it."
            )
        time.sleep(0.2)
    return True


def stack_folder(environment: Environment) -> Path:
    """Where the stack keeps what is its own; Postgres' user must be able to enter it."""
    return environment.home / "stack"


def stack_lock(environment: Environment) -> Path:
    """The lock file of the process that runs the stack."""
    return stack_folder(environment) / "up.lock"


def refuse_beside_a_stack(environment: Environment) -> None:
    """Raises InputError while the stack runs: its programs hold files open."""
    owner = owner_of(stack_lock(environment))
    if owner:
        raise InputError(
            "Files are put in their places while no stack runs; that of"
            f" {str(environment.home)!r} runs (process {owner}). First: regenesis down"
        )


@contextmanager
def _only_stack(environment: Environment) -> Generator[None]:
    def refusal(owner: int) -> str:
        return (
            f"The stack of {str(environment.home)!r} runs already (process {owner}). To end it:"
            " regenesis down"
        )

    lock = stack_lock(environment)
    lock.parent.mkdir(parents=True, exist_ok=True)
    with owned(lock, refusal):
        yield


def _end(ended: threading.Event) -> None:
    """The first signal ends a running stack, or one that is still starting."""
    if ended.is_set():
        return
    ended.set()
    raise KeyboardInterrupt


def _check_host(host: str) -> None:
    if host not in LOOPBACK_NAMES and not secret(SERVER_AUTH):
        raise InputError(
            f"Prefect's server on {host!r} could be tried by anybody who reaches it. Set"
            f" {SERVER_AUTH}=USER:PASSWORD (and {CLIENT_AUTH} to the same for clients) or leave out"
            " --host."
        )


def _planned(environment: Environment, host: str, ports: Ports, folder: Path, say: Say) -> Stack:
    """The stack with its ports taken and its database chosen."""
    ports = _taken(ports)
    postgres = prepare_postgres(folder, ports.postgres)
    if isinstance(postgres, str):
        say(f"Prefect's database is SQLite, which serves one person: {postgres}.")
        postgres = None
    stack = Stack(environment.home, host, ports, postgres)
    private_folder(environment.logs)
    private_folder(environment.home / "prefect")
    prepare_password(stack)
    return stack


def prepare_password(stack: Stack) -> None:
    """The authentication string of Prefect's API, made once a home, for its user's eyes alone."""
    if not stack.password_file.is_file():
        write_secret(stack.password_file, new_auth_string())


def _taken(ports: Ports) -> Ports:
    """Free ones for those that may be any; raises where a named one is used by another program."""
    found: dict[str, int] = {}
    for name, wanted in vars(ports).items():
        try:
            found[name] = free_port(wanted)
        except OSError as error:
            raise InputError(
                f"Port {wanted} for {name} is used by another program ({error.strerror}). Name"
                f" another: --{name}-port"
            ) from error
    return replace(ports, **found)
