"""A real Postgres server of the tests' own: private port and folder, a password, started as a user that is not root."""

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import pytest

USER, PASSWORD = "regenesis", "se'cret \\pass"


@dataclass(frozen=True)
class Postgres:
    """The running server."""

    binaries: Path
    port: int
    password: str = PASSWORD
    _numbers: "count[int]" = field(default_factory=count)

    def new_database(self) -> str:
        """The URL of an empty database."""
        name = f"lake_{next(self._numbers)}"
        self.execute(f"CREATE DATABASE {name}")
        return f"postgresql://{USER}@127.0.0.1:{self.port}/{name}"

    def execute(self, *statements: str, database: str = "postgres") -> None:
        """As the server's owner."""
        import psycopg

        with psycopg.connect(
            host="127.0.0.1", port=self.port, user=USER, password=PASSWORD, dbname=database, autocommit=True
        ) as connection:
            for statement in statements:
                connection.execute(statement.encode())


@contextmanager
def running_postgres() -> Generator[Postgres]:
    """It and its folder are gone when the block ends."""
    binaries = _binaries()
    if binaries is None:
        pytest.skip("There is no Postgres on this machine: no initdb below /usr/lib/postgresql or in PATH")
    user = "postgres" if os.geteuid() == 0 else None
    folder = Path(tempfile.mkdtemp(prefix="regenesis-postgres-"))
    folder.chmod(0o755)
    try:
        (folder / "password").write_text(PASSWORD)
        (folder / "data").mkdir()
        if user:
            shutil.chown(folder / "data", user)
        (folder / "password").chmod(0o644)
        _run(user, binaries / "initdb", "-D", folder / "data", "-U", USER, "-A", "scram-sha-256", "--no-sync",
             f"--pwfile={folder / 'password'}")  # fmt: skip
        server = Postgres(binaries, _free_port())
        options = f"-p {server.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c fsync=off"
        _run(user, binaries / "pg_ctl", "-D", folder / "data", "-o", options, "-w", "-t", "60", "-l",
             folder / "data" / "log", "start")  # fmt: skip
        try:
            yield server
        finally:
            _run(user, binaries / "pg_ctl", "-D", folder / "data", "-m", "immediate", "-w", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _binaries() -> Path | None:
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), reverse=True)
    found = shutil.which("initdb")
    candidates = [*installed, *([Path(found)] if found else [])]
    return candidates[0].parent if candidates else None


def _run(user: str | None, *command: object) -> None:
    words = [str(word) for word in command]
    done = subprocess.run(words, user=user, cwd="/", stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    if done.returncode:
        pytest.fail(f"{words[0]} ended with {done.returncode}: {done.stderr}")


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
