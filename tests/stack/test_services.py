"""The parts of the stack that can be tried without a server.

Start and end of a program, logs, a missing Postgres.
"""

import sys
import threading
from pathlib import Path

import pytest

from flows.runs.prefect_server import SERVER_AUTH, temporary_database
from flows.stack import postgres, supervisor
from flows.stack.logs import bound_logs
from flows.stack.plan import Ports, Stack
from flows.stack.postgres import prepare_postgres
from flows.stack.service import RunningService, Service
from flows.stack.supervisor import Supervisor
from flows.stack.up import describe, run_stack, stack_lock
from storage.environment import Environment, read_environment
from storage.errors import InputError, PermanentError
from storage.locks import owner_of
from tasks.engines.watchdog import session_members

STAYS = "import pathlib, sys, time; pathlib.Path(sys.argv[1]).write_text('there'); time.sleep(600)"


def program(folder: Path, text: str = STAYS) -> Service:
    return Service(
        "program", (sys.executable, "-c", text, str(folder / "sign")), (folder / "sign").is_file
    )


def started(service: Service, folder: Path) -> RunningService:
    running = RunningService(service, folder, folder / "scratch")
    running.start()
    return running


def test_a_service_that_is_stopped_leaves_no_process(tmp_path: Path) -> None:
    running = started(program(tmp_path), tmp_path)
    running.await_well()
    session = running.session

    running.stop()

    assert not running.is_alive()
    assert session_members(session) == set()


def test_a_service_that_ends_at_once_is_an_error_with_its_last_words(tmp_path: Path) -> None:
    running = started(program(tmp_path, "import sys; sys.exit('no such table')"), tmp_path)

    with pytest.raises(PermanentError, match=r"ended at once.*no such table"):
        running.await_well()


def test_a_service_that_dies_is_started_again_and_paged_only_when_it_does_not_come_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paged: list[str] = []
    monkeypatch.setattr(
        supervisor, "page", lambda incident, cause, environment: paged.append(cause)
    )
    monkeypatch.setattr(supervisor, "LOOK_SECONDS", 0.05)
    monkeypatch.setattr(supervisor, "LONGEST_PAUSE_SECONDS", 0.1)
    places, said, enough = read_environment(tmp_path), [], threading.Event()
    places.logs.mkdir()

    def say(line: str) -> None:
        said.append(line)
        if len(said) > 5:
            enough.set()

    watched = Supervisor(places, Stack(tmp_path, "127.0.0.1", Ports(), None), say)
    watched.watch(program(tmp_path, "import sys; sys.exit('broken disk')"))
    watched.keep(enough)
    watched.stop()

    assert all("program ended" in line for line in said)
    [page] = paged
    assert "'broken disk'" in page
    assert "did not come back after 3 starts" in page


def test_a_log_that_is_too_large_keeps_its_newer_half_and_its_writer(tmp_path: Path) -> None:
    log = tmp_path / "prefect.log"
    with log.open("ab", buffering=0) as writer:
        writer.write(b"".join(b"line %06d\n" % number for number in range(1000)))

        assert bound_logs(tmp_path, most_bytes=6000) == [log]

        writer.write(b"newest\n")
    lines = log.read_text("utf-8").splitlines()
    assert lines[-2:] == ["line 000999", "newest"]
    assert lines[0].startswith("line 000")
    assert log.stat().st_size <= 3100


def test_without_postgres_there_is_a_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres, "find_programs", lambda: None)

    assert "no Postgres is installed" in str(prepare_postgres(tmp_path, 1))


def test_a_postgres_that_was_used_is_not_replaced_by_sqlite(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres, "find_programs", lambda: None)
    (tmp_path / "postgres.password").touch()

    with pytest.raises(InputError, match="cannot be started: no Postgres is installed"):
        prepare_postgres(tmp_path, 1)


def test_another_address_than_loopback_needs_a_password(environment: Environment) -> None:
    with pytest.raises(InputError, match="PREFECT_SERVER_API_AUTH_STRING"):
        run_stack(environment, "0.0.0.0", Ports(), Path("prefect.yaml"), print)


def test_a_port_in_use_is_named_with_its_option(environment: Environment) -> None:
    import socket

    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        with pytest.raises(
            InputError, match=r"for mlflow is used by another program.*--mlflow-port"
        ):
            run_stack(
                environment,
                "127.0.0.1",
                Ports(0, other.getsockname()[1], 0),
                Path("prefect.yaml"),
                print,
            )

    assert owner_of(stack_lock(environment)) == 0


def test_up_says_where_the_rounds_are_that_ran_without_a_stack(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(SERVER_AUTH, "user:word")
    stack = Stack(tmp_path, "127.0.0.1", Ports(), None)
    assert "earlier" not in describe(stack)

    temporary_database(tmp_path).parent.mkdir()
    temporary_database(tmp_path).touch()

    assert "explore and MLflow" in describe(stack)["earlier"]
