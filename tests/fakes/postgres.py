"""A real Postgres server of the tests' own, started and watched as the stack's is.

It does not outlive pytest.
"""

import socket
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import pytest

from flows.stack.postgres import USER, prepare_postgres
from flows.stack.service import RunningService


@dataclass(frozen=True)
class Postgres:
    """The running server."""

    port: int
    password: str
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
            host="127.0.0.1",
            port=self.port,
            user=USER,
            password=self.password,
            dbname=database,
            autocommit=True,
        ) as connection:
            for statement in statements:
                connection.execute(statement.encode())


@contextmanager
def running_postgres() -> Generator[Postgres]:
    """It and its folder are gone when the block ends."""
    with tempfile.TemporaryDirectory(prefix="regenesis-postgres-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        prepared = prepare_postgres(folder, _free_port())
        if isinstance(prepared, str):
            pytest.skip(f"No Postgres here: {prepared}")
        service = RunningService(prepared.service(), logs=folder, scratch=folder)
        service.start()
        try:
            service.await_well()
            server = Postgres(prepared.port, prepared.password_file.read_text("utf-8"))
            server.execute("ALTER SYSTEM SET fsync = off", "SELECT pg_reload_conf()")
            yield server
        finally:
            service.stop()


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
