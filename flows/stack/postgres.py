"""A Postgres for Prefect's database: private port, password and data folder in the home.

Postgres refuses root, so under root it runs as the system's `postgres` user.
"""

import os
import pwd
import secrets
import shutil
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path

from flows.stack.service import Service
from storage.errors import InputError, PermanentError

# inside this Postgres alone
USER, DATABASE = "regenesis", "prefect"


@dataclass(frozen=True)
class Postgres:
    """Where it lies and as which user it runs; an empty `user` is the one who starts it."""

    programs: Path
    data: Path
    password_file: Path
    user: str
    port: int

    @property
    def url(self) -> str:
        """For Prefect's server, with the password."""
        password = self.password_file.read_text("utf-8")
        return f"postgresql+asyncpg://{USER}:{password}@127.0.0.1:{self.port}/{DATABASE}"

    def service(self) -> Service:
        """The program; SIGINT is its fast shutdown, which does not wait for clients."""
        settings = {
            # TCP on loopback and no socket: a socket's path may be at most 107 bytes, and a home's
            # may be longer
            "listen_addresses": "127.0.0.1",
            "port": str(self.port),
            "unix_socket_directories": "",
            "log_min_messages": "warning",
            "max_connections": "60",
        }
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        command = (
            *_as_user(self.user),
            str(self.programs / "postgres"),
            "-D",
            str(self.data),
            *options,
        )
        return Service(
            "postgres", command, self.is_well, stop_signal=signal.SIGINT, start_seconds=120
        )

    def is_well(self) -> bool:
        """Whether it takes connections."""
        return self._run("pg_isready", "-q", "-d", "postgres").returncode == 0

    def make_database(self) -> None:
        """Prefect's database, where it is not there yet."""
        found = self._run(
            "psql",
            "-d",
            "postgres",
            "-tAc",
            f"SELECT 1 FROM pg_database WHERE datname = '{DATABASE}'",
        )
        if found.stdout.strip() == "1":
            return
        made = self._run("createdb", DATABASE)
        if made.returncode:
            raise PermanentError(
                f"Postgres does not make the database {DATABASE!r}: {made.stderr.strip()}"
            )

    def _run(self, program: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
        place = ("-h", "127.0.0.1", "-p", str(self.port), "-U", USER)
        return subprocess.run(
            [str(self.programs / program), *place, *arguments],
            capture_output=True,
            text=True,
            check=False,
            env=os.environ
            | {
                "PGPASSWORD": self.password_file.read_text("utf-8"),
                "PGCONNECT_TIMEOUT": "5",
            },
        )


def prepare_postgres(folder: Path, port: int) -> "Postgres | str":
    """A Postgres with its data below `folder`, made if missing; or why there can be none.

    Raises InputError where a data folder is there that cannot be used: its runs must not vanish
    behind SQLite.
    """
    programs, user = find_programs(), _user()
    made = (folder / "postgres.password").is_file()
    if programs is None:
        reason = "no Postgres is installed (apt-get install postgresql)"
    elif user is None:
        reason = "Postgres refuses root, and there is no user postgres"
    elif not (reason := _unreachable(folder, user)):
        postgres = Postgres(programs, folder / "postgres", folder / "postgres.password", user, port)
        if not made:
            _initialise(postgres)
        return postgres
    if made:
        raise InputError(f"The stack's Postgres in {str(folder)!r} cannot be started: {reason}.")
    return reason


def find_programs() -> Path | None:
    """The folder that holds postgres and initdb; Debian's newest version where PATH has none."""
    on_path = shutil.which("postgres")
    folders = [Path(on_path).resolve().parent] if on_path else []
    folders += sorted(
        Path("/usr/lib/postgresql").glob("*/bin"),
        key=lambda path: float(path.parent.name),
        # the newest version first
        reverse=True,
    )
    return next((folder for folder in folders if (folder / "initdb").is_file()), None)


def _user() -> str | None:
    """Empty for the user at hand; under root the user postgres, or None where there is none."""
    if os.geteuid() != 0:
        return ""
    try:
        return pwd.getpwnam("postgres").pw_name
    except KeyError:
        return None


def _as_user(user: str) -> tuple[str, ...]:
    return ("setpriv", f"--reuid={user}", f"--regid={user}", "--init-groups") if user else ()


def _unreachable(folder: Path, user: str) -> str:
    """Why this user cannot work below the folder; empty where it can."""
    if subprocess.run([*_as_user(user), "test", "-x", str(folder)], check=False).returncode == 0:
        return ""
    return (
        f"the user {user} may not enter {str(folder)!r}; a home in a folder that all may enter"
        " would do"
    )


def _initialise(postgres: Postgres) -> None:
    """Make a fresh data folder; the password file is written last and marks it as whole."""
    shutil.rmtree(postgres.data, ignore_errors=True)
    postgres.data.mkdir(mode=0o700)
    # initdb reads the password from a file, because arguments can be read by every user of the
    # machine
    password, handed = secrets.token_urlsafe(32), postgres.data.with_name(".postgres.initial")
    handed.touch(mode=0o600)
    handed.write_text(password, "utf-8")
    if postgres.user:
        shutil.chown(postgres.data, postgres.user, postgres.user)
        shutil.chown(handed, postgres.user, postgres.user)
    try:
        done = subprocess.run(
            [
                *_as_user(postgres.user),
                str(postgres.programs / "initdb"),
                "-D",
                str(postgres.data),
                "-U",
                USER,
                "--auth=scram-sha-256",
                f"--pwfile={handed}",
                "--encoding=UTF8",
                "--locale=C.UTF-8",
            ],
            capture_output=True,
            text=True,
            check=False,
        )
    finally:
        handed.unlink()
    if done.returncode:
        raise PermanentError(f"initdb failed: {done.stderr.strip() or done.stdout.strip()}")
    postgres.password_file.touch(mode=0o600)
    postgres.password_file.write_text(password, "utf-8")
