"""Attaches a DuckLake: one connection to read, one to write, and bounded retries of conflicts.

Base tables lie in the schema `stored`. What is read is the schema `main`: a view of each table's
name that keeps the first row of an id, and the public views above them.
"""

import random
import re
import threading
import time
from collections.abc import Callable, Generator
from contextlib import closing, contextmanager, suppress
from typing import TypeVar

import duckdb

from storage.environment import secret
from storage.errors import InputError, TransientError, first_line
from storage.store.batches import transaction
from storage.store.store_url import LakePlace
from storage.views import quoted

T = TypeVar("T")
CATALOG = "regenesis"
# as for a file, and for the same reason
MEMORY_LIMIT = "1300MB"
# a fleet's writers commit every few seconds, so two minutes of failures have another cause
_CONFLICT_SECONDS = 120.0
# doubled from one to the other, at random
_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.01, 1.0
# how long SQLite itself waits for the catalogue's lock before it says that it is locked
_BUSY_MILLISECONDS = 10_000
# The words below were read from DuckDB 1.5.5 with its DuckLake, SQLite and Postgres: no error of
# theirs has a code.
_MAY_PASS = (
    "conflict",
    "locked",
    "failed to commit",
    "could not serialize",
    "deadlock",
    "connection",
    "terminat",
    "already exists",  # another process made it a moment ago
)
# as Postgres, SQLite and the system say it; bare words would also match a folder's name
_WILL_NOT_PASS = re.compile(
    r"permission denied for |: permission denied|readonly database|read-only file system|in a"
    r" read-only transaction"
    r"|no space left on device|disk is full|file too large",
    re.IGNORECASE,
)
# of a Parquet file: it has no end, or is not there
_UNREADABLE = re.compile(
    r"no magic bytes|in parquet file|failed to read file|cannot open file|malformed", re.IGNORECASE
)


class LakeBusy(TransientError):
    """Others committed first for the whole bound, or the catalogue cannot be reached."""


class LakeAway(InputError):
    """The catalogue or the data cannot be had: a wrong URL or password, or no server."""


class Lake:
    """A DuckLake. Threads share it; each use has its own connection to the attached lake."""

    def __init__(self, place: LakePlace) -> None:
        self.place = place
        self._attached: dict[bool, duckdb.DuckDBPyConnection] = {}
        self._reached = False
        self._guard = threading.Lock()

    @contextmanager
    def reading(self) -> Generator[duckdb.DuckDBPyConnection]:
        """A connection on one state of the lake, that of its first query; it can only read."""
        connection = self._connection(read_only=True)
        failed: duckdb.Error | None = None
        try:
            # views that keep the first row of an id; base tables, in `stored`, may hold it twice
            connection.execute(f"USE {CATALOG}.main")
            connection.begin()
            yield connection
        except duckdb.Error as error:
            failed = error
            self._say_where_damaged(error)
            raise
        finally:
            _put_away(connection)
            if failed is not None and may_pass(failed):
                self._forget(read_only=True)

    def committed(self, work: Callable[[duckdb.DuckDBPyConnection], T]) -> T:
        """The result of `work` in a transaction, run again where another writer came first."""
        return self.tried_again(lambda connection: _in_transaction(connection, work))

    def tried_again(self, work: Callable[[duckdb.DuckDBPyConnection], T]) -> T:
        """The same for work that begins and commits its transactions itself.

        Raises LakeBusy past the bound.
        """
        deadline = time.monotonic() + _CONFLICT_SECONDS
        pause = _FIRST_PAUSE_SECONDS
        while True:
            try:
                with self._writing() as connection:
                    return work(connection)
            except Exception as error:
                # before _MAY_PASS: `failed to commit ... no space left on device` holds words of
                # both
                if _WILL_NOT_PASS.search(str(error)):
                    raise InputError(
                        f"The lake at {self.place.catalogue!r} must be one that can be written; it"
                        f" is not ({_last_line(error)}). Set REGENESIS_STORE with a user who may,"
                        " or free its disk."
                    ) from error
                self._say_where_damaged(error)
                # it was there, and may come back
                away = isinstance(error, LakeAway) and self._reached
                if not (away or may_pass(error)):
                    raise
                if time.monotonic() > deadline:
                    raise LakeBusy(
                        f"The lake at {self.place.catalogue!r} could not be written for"
                        f" {_CONFLICT_SECONDS:g} s ({first_line(error)}). Try again; if it stays,"
                        " look at its catalogue."
                    ) from error
            time.sleep(pause * (0.5 + random.random()))
            pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)

    def _say_where_damaged(self, error: Exception) -> None:
        if isinstance(error, duckdb.Error) and _UNREADABLE.search(str(error)):
            raise InputError(
                f"A file of the lake at {self.place.catalogue!r} is damaged or gone"
                f" ({_last_line(error)}). Put it back from a copy of the data, or move to a backup:"
                " REGENESIS_STORE=duckdb:///BACKUP regenesis storage move"
            ) from error

    def close(self) -> None:
        """Let go of the catalogue; the next use attaches it again."""
        for read_only in (True, False):
            self._forget(read_only=read_only)

    @contextmanager
    def _writing(self) -> Generator[duckdb.DuckDBPyConnection]:
        connection = self._connection(read_only=False)
        failed: duckdb.Error | None = None
        try:
            # an anti-join against the views would compute a window over the whole table
            connection.execute(f"USE {CATALOG}.stored")
            yield connection
        except duckdb.Error as error:
            failed = error
            raise
        finally:
            _put_away(connection)
            if (
                failed is not None
                and not isinstance(failed, duckdb.TransactionException)
                and may_pass(failed)
            ):
                self._forget(read_only=False)

    def _connection(self, *, read_only: bool) -> duckdb.DuckDBPyConnection:
        with self._guard:
            if read_only not in self._attached:
                self._attached[read_only] = attach(self.place, read_only=read_only)
                self._reached = True
            # attaching loads extensions and asks the catalogue; a cursor is a connection of its own
            # on what is attached
            return self._attached[read_only].cursor()

    def _forget(self, *, read_only: bool) -> None:
        with self._guard:  # who still uses it keeps it until then
            self._attached.pop(read_only, None)


def attach(
    place: LakePlace,
    *,
    read_only: bool,
    snapshot: int | None = None,
    key: Callable[[str], str | None] = secret,
) -> duckdb.DuckDBPyConnection:
    """A connection with the lake attached as `regenesis`, made where it is to be written.

    With `snapshot`, the lake as it was then; `key` gives the keys of catalogue and object store by
    the names that they have in the environment. Raises LakeAway where catalogue or data can't be
    had.
    """
    with _opening_told(place):
        connection = _unattached(place, key)
        try:
            _add_catalogue_password(connection, place, key)
            connection.execute(attach_statement(place, read_only=read_only, snapshot=snapshot))
            if not read_only:
                connection.execute(f"CREATE SCHEMA IF NOT EXISTS {CATALOG}.stored")
        except duckdb.Error:
            connection.close()
            raise
        return connection


@contextmanager
def without_catalogue(place: LakePlace) -> Generator[duckdb.DuckDBPyConnection]:
    """A connection that can reach the lake's files and has no catalogue attached."""
    with _opening_told(place), closing(_unattached(place, secret)) as connection:
        yield connection


def is_made(place: LakePlace) -> bool:
    """Whether there is a catalogue; makes nothing.

    Raises LakeAway where its server can't be had.
    """
    if place.catalogue_file is not None:
        return place.catalogue_file.exists()
    try:
        attach(place, read_only=True).close()
    except InputError as error:
        # as DuckLake 1.5.5 says it of a catalogue without its tables
        if "does not exist" in str(error):
            return False
        raise
    return True


def may_pass(error: BaseException) -> bool:
    """Whether the same work may succeed if it is repeated: another writer, a lost catalogue."""
    if isinstance(error, InputError):
        return False
    cause = error if isinstance(error, duckdb.Error) else error.__cause__
    if isinstance(cause, duckdb.TransactionException):
        return True
    return isinstance(cause, duckdb.Error) and any(word in str(cause).lower() for word in _MAY_PASS)


def _unattached(place: LakePlace, key: Callable[[str], str | None]) -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect(config={"memory_limit": MEMORY_LIMIT})
    try:
        _load_extensions(connection, place)
        _add_object_store_keys(connection, place, key)
    except BaseException:
        connection.close()
        raise
    return connection


@contextmanager
def _opening_told(place: LakePlace) -> Generator[None]:
    """DuckDB's errors on opening a lake become ours, but for those that pass by themselves."""
    try:
        yield
    except duckdb.Error as error:
        if isinstance(error, duckdb.TransactionException) or any(
            sign in str(error) for sign in ("locked", "already exists")
        ):
            raise
        raise LakeAway(
            f"The lake with the catalogue {place.catalogue!r} and the data {place.data!r} cannot be"
            f" opened ({first_line(error)}). Check REGENESIS_STORE, the catalogue's server, its"
            " password (PGPASSWORD or a passfile) and the folder."
        ) from error


def _in_transaction(
    connection: duckdb.DuckDBPyConnection, work: Callable[[duckdb.DuckDBPyConnection], T]
) -> T:
    with transaction(connection):
        return work(connection)


def _put_away(connection: duckdb.DuckDBPyConnection) -> None:
    """Roll back, then close: closing a connection inside a transaction can end the process."""
    with suppress(duckdb.Error):
        # after a commit this fails, and nothing is left to end
        connection.rollback()
    connection.close()


def _load_extensions(connection: duckdb.DuckDBPyConnection, place: LakePlace) -> None:
    names = ["ducklake", "sqlite_scanner" if place.catalogue_file else "postgres_scanner"]
    names += [] if place.data_folder else ["httpfs"]
    try:
        from duckdb_extensions import import_extension

        for name in names:
            import_extension(name, con=connection)
    except ImportError as error:
        raise InputError(
            f"A lake needs DuckDB's extensions {', '.join(names)} as packages; found {error.msg!r}."
            " Run: pip install 'regenesis[lake]'"
        ) from error


def _add_object_store_keys(
    connection: duckdb.DuckDBPyConnection, place: LakePlace, key: Callable[[str], str | None]
) -> None:
    """Endpoint and keys as every S3 client reads them from the environment."""
    if place.data_folder:
        return
    options = {
        "KEY_ID": key("AWS_ACCESS_KEY_ID"),
        "SECRET": key("AWS_SECRET_ACCESS_KEY"),
        "SESSION_TOKEN": key("AWS_SESSION_TOKEN"),
        "REGION": key("AWS_REGION") or key("AWS_DEFAULT_REGION"),
    }
    said = ["TYPE s3", f"SCOPE {quoted(place.data)}"]
    said += [f"{name} {quoted(value)}" for name, value in options.items() if value]
    endpoint = key("AWS_ENDPOINT_URL_S3") or key("AWS_ENDPOINT_URL")
    if endpoint:
        # DuckDB takes the host alone; every other client takes a URL
        scheme, _, host = endpoint.rpartition("://")
        said += [
            f"ENDPOINT {quoted(host.rstrip('/'))}",
            "URL_STYLE 'path'",
            f"USE_SSL {scheme != 'http'}",
        ]
    connection.execute(f"CREATE SECRET object_store ({', '.join(said)})")


def _add_catalogue_password(
    connection: duckdb.DuckDBPyConnection, place: LakePlace, key: Callable[[str], str | None]
) -> None:
    """Where it is not in the environment, from which libpq takes it by itself."""
    password = key("PGPASSWORD")
    if place.catalogue_file is None and password and secret("PGPASSWORD") is None:
        connection.execute(f"CREATE SECRET (TYPE postgres, PASSWORD {quoted(password)})")


def attach_statement(place: LakePlace, *, read_only: bool, snapshot: int | None = None) -> str:
    """How DuckDB attaches the lake as `regenesis`."""
    # rows kept in the catalogue would vanish under a reader when they are moved to files (DuckLake
    # 1.5.5)
    options = (
        ["READ_ONLY"]
        if read_only
        else [f"DATA_PATH {quoted(place.data)}", "DATA_INLINING_ROW_LIMIT 0"]
    )
    options += [] if snapshot is None else [f"SNAPSHOT_VERSION {snapshot}"]
    if place.catalogue_file:
        options.append(f"META_BUSY_TIMEOUT {_BUSY_MILLISECONDS}")
        options += [] if read_only else ["META_JOURNAL_MODE 'WAL'"]
    return f"ATTACH {quoted(f'ducklake:{place.catalogue}')} AS {CATALOG} ({', '.join(options)})"


def _last_line(error: BaseException) -> str:
    return str(error).strip().splitlines()[-1] if str(error).strip() else type(error).__name__
