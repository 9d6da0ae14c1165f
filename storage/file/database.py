"""Opens the DuckDB file for the moment of a batch. The only module that calls `duckdb.connect` on the store.

In: a `duckdb:///` URL. Out: a connection inside a `with`. It waits with a bound while others hold the file, and then
says so (`HeldByAnother`); what to do then is the repository's business.
"""

import random
import re
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import duckdb

from storage.errors import InputError, TransientError
from storage.file.private_copy import snapshot
from storage.locks import turn

MEMORY_LIMIT = "1300MB"
LOG_LIMIT = "2MB"
_FULL = re.compile(r"could not write|no space left|file too large", re.IGNORECASE)
_DAMAGED = re.compile(r"not a valid DuckDB database|checksum|corrupt", re.IGNORECASE)
_POLL_SECONDS = 0.02
_ROUND_WAIT_SECONDS = 120.0
_THREAD_LOCKS: dict[Path, threading.RLock] = {}
_HELD: dict[Path, set[bool]] = {}  # the modes (read only or not) in which the last open of a file failed
_GUARD = threading.Lock()


class HeldByAnother(TransientError):
    """A foreign client holds the database file."""


class DatabaseFile:
    """A DuckDB file that is opened by turns. Threads of one process take turns too."""

    def __init__(self, path: Path, busy_seconds: float) -> None:
        self.path = path
        self.aside = path.with_name(path.name + ".spool")
        self.busy_seconds = busy_seconds
        with _GUARD:
            self._threads = _THREAD_LOCKS.setdefault(path, threading.RLock())
            self._held = _HELD.setdefault(path, set())

    @contextmanager
    def writing(self, *, keep_log: bool = False) -> Generator[duckdb.DuckDBPyConnection]:
        """A read-write connection; raises HeldByAnother past the bound.

        With `keep_log` what was committed may stay in the write-ahead log beside the file until that has grown: folding
        it in rewrites the table's last rows, which costs more than a small batch itself.
        """
        with self.locked(exclusive=True):
            connection = self._connect(read_only=False)
            try:
                if keep_log:
                    connection.execute(
                        f"PRAGMA disable_checkpoint_on_shutdown; SET checkpoint_threshold = '{LOG_LIMIT}'"
                    )
                with told_clearly(self.path):
                    yield connection
            finally:
                connection.close()

    def fold_log_in(self) -> None:
        """Leave nothing in the log beside the file; raises HeldByAnother past the bound."""
        if self.path.with_name(self.path.name + ".wal").exists():
            with self.writing():
                pass

    @contextmanager
    def reading(self) -> Generator[duckdb.DuckDBPyConnection]:
        """A read-only connection on the file, or on a copy of it while a foreign client keeps even readers out."""
        with self.locked(exclusive=False):
            connection = self.open_reader()
            try:
                with told_clearly(self.path):
                    yield connection
            finally:
                connection.close()

    def open_reader(self) -> duckdb.DuckDBPyConnection:
        """The connection of `reading`, for a caller that holds the turn itself and closes it itself."""
        try:
            return self._connect(read_only=True)
        except HeldByAnother:
            return connect(snapshot(self.path, self.aside), read_only=True)

    @contextmanager
    def locked(self, *, exclusive: bool) -> Generator[None]:
        """Our own turn at the file, nothing opened."""
        with self._threads, turn(self.path, exclusive=exclusive, wait_seconds=_ROUND_WAIT_SECONDS):
            yield

    def _connect(self, read_only: bool) -> duckdb.DuckDBPyConnection:
        deadline = time.monotonic() + (_POLL_SECONDS if read_only in self._held else self.busy_seconds)
        while True:
            try:
                connection = connect(self.path, read_only=read_only)
                self._held.discard(read_only)
                return connection
            except HeldByAnother:
                if time.monotonic() >= deadline:
                    self._held.add(read_only)
                    raise
            time.sleep(_POLL_SECONDS * (0.5 + random.random()))


def connect(path: Path, *, read_only: bool) -> duckdb.DuckDBPyConnection:
    """Open a DuckDB file once, without waiting; DuckDB's errors become ours."""
    config: dict[str, str | bool | int | float | list[str]] = {"memory_limit": MEMORY_LIMIT}
    try:
        return duckdb.connect(path, read_only=read_only, config=config)
    except duckdb.Error as error:
        raise _translated(path, error) or InputError(
            f"The store {str(path)!r} cannot be opened ({_first_line(error)}). Check folder, permissions and free disk."
        ) from error


@contextmanager
def told_clearly(path: Path) -> Generator[None]:
    """DuckDB's errors about an open file itself become ours: those of a query or a commit."""
    try:
        yield
    except duckdb.Error as error:
        clear = _translated(path, error)
        if clear is None:
            raise
        raise clear from error


def _translated(path: Path, error: duckdb.Error) -> InputError | HeldByAnother | None:
    line = _first_line(error)
    if "Could not set lock on file" in line:
        return HeldByAnother(
            f"Another program holds {str(path)!r} open ({line}). Close it, or point it at reader.duckdb."
        )
    if _FULL.search(line):
        return InputError(
            f"The store {str(path)!r} can't be written ({line}). Free disk space; what was acknowledged is kept."
        )
    if _DAMAGED.search(line) or isinstance(
        error, (duckdb.FatalException, duckdb.InternalException, duckdb.SerializationException)
    ):
        return InputError(
            f"A store must be a DuckDB file; {str(path)!r} is not, or is damaged ({line}). Put a backup in its place."
        )
    if "newer version" in line or "storage version" in line:
        return InputError(f"{str(path)!r} was written by another DuckDB version ({line}). Install that version.")
    return None


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
