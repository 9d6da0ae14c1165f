"""Opens the DuckDB file for the moment of a batch.

The only module that opens the store's file, by `duckdb.connect` to write and by readers.py to read.

In: the file's path. Out: a connection inside a `with`. It waits with a bound while others hold the
file, says whom it waits for, and then raises `HeldByAnother`.
"""

import os
import random
import re
import shutil
import threading
import time
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from math import inf
from pathlib import Path

import duckdb

from storage.errors import InputError, StoreBusy, first_line
from storage.file.readers import attached, shut_in
from storage.locks import turn

# What DuckDB may have, so that the whole process stays below 2 GiB at ten million rows. With 1500MB
# it was 2.05 GiB, and with 1 GB the leaderboard did not fit (docs/storage.md).
MEMORY_LIMIT = "1300MB"
# A small batch costs its own bytes until the log has grown so far, and then one checkpoint.
LOG_LIMIT = "2MB"
STORAGE_VERSION = "v1.4.0"
"""The file format of new files: the first in which DuckDB refuses a log that belongs to another
file, or to another state of this one. DuckDB 1.4 and later read it.
"""
# Databases and schemas that DuckDB makes for itself; it calls a file by its name without ending.
DUCKDBS_OWN = {"memory", "temp", "main", "system", "information_schema", "pg_catalog"}
# The words below were read from DuckDB 1.5.5; its Python errors have no codes.
_HELD = "Could not set lock on file"
# ... (PID 4711) by user ada. See
_HOLDER = re.compile(r"lock is held in (.+?) \(PID (\d+)\)(?: by user (\S+?)\.)?")
# the disk, a quota, and RLIMIT_FSIZE
_FULL = re.compile(r"could not write|no space left|file too large", re.IGNORECASE)
# a log that lies beside a file which a backup or a copy replaced
_ANOTHERS_LOG = re.compile(
    r"WAL was created for|does not match (the )?database file", re.IGNORECASE
)
_DAMAGED = re.compile(r"not a valid DuckDB database|checksum|corrupt", re.IGNORECASE)
# the first pause between two tries at a file that another program holds; doubled up to the longest
_POLL_SECONDS = 0.02
_LONGEST_POLL_SECONDS = 0.5
# a client's short query is not worth a word
_SAY_AFTER_SECONDS = 2.0
# our own processes hold the file for one batch or one question, so this is an emergency's bound
_TURN_SECONDS = 120.0
# flock does not keep two threads of one process apart, and DuckDB opens a file once per process;
# reentrant, because a store's own methods call each other
_THREAD_LOCKS: dict[Path, threading.RLock] = {}
# when a wait, to read only or to write, was last in vain
_GIVEN_UP: dict[tuple[Path, bool], float] = {}
# long enough for a run to write its last words, short enough for the next one to wait again
_WAITED_ENOUGH_SECONDS = 60.0
# of the dictionary _THREAD_LOCKS alone
_GUARD = threading.Lock()


class HeldByAnother(StoreBusy):
    """A foreign client holds the database file."""


class DatabaseFile:
    """A DuckDB file that is opened by turns. Threads of one process take turns too.

    `say` is told whom a wait is for, as soon as it lasts.
    """

    def __init__(
        self, path: Path, busy_seconds: float, say: Callable[[str], None] = lambda line: None
    ) -> None:
        self.path = path
        self.busy_seconds = busy_seconds
        self._say = say
        with _GUARD:
            self._threads = _THREAD_LOCKS.setdefault(path, threading.RLock())

    @property
    def log(self) -> Path:
        """DuckDB's write-ahead log."""
        return log_of(self.path)

    @contextmanager
    def writing(
        self, *, keep_log: bool = False, beside: Path | None = None
    ) -> Generator[duckdb.DuckDBPyConnection]:
        """A read-write connection; raises HeldByAnother past the bound.

        `beside` is another database file that may be attached.

        With `keep_log` what was committed may stay in the write-ahead log beside the file until
        that has grown: folding it in rewrites the table's last rows, which costs more than a small
        batch itself.
        """
        with self._opened(read_only=False, beside=beside) as connection:
            if keep_log:
                connection.execute(
                    "PRAGMA disable_checkpoint_on_shutdown; SET checkpoint_threshold ="
                    f" '{LOG_LIMIT}'"
                )
            yield connection

    def fold_log_in(self) -> None:
        """Leave nothing in the log beside the file; raises HeldByAnother past the bound."""
        if self.log.exists():
            with self.writing():
                pass

    @contextmanager
    def reading(self) -> Generator[duckdb.DuckDBPyConnection]:
        """A read-only connection; raises HeldByAnother past the bound."""
        with self._opened(read_only=True) as connection:
            yield connection

    def copy_to(self, target: Path) -> int:
        """A whole copy in one file, made in one turn that lasts as long as copying (0.3 s per GB).

        Its log is folded into the store first, not into the copy: a copy that is put back beside a
        newer log would else count as many checkpoints as the store, and DuckDB would take the log
        for its own. Returns when the store was last changed, in nanoseconds.
        """
        with self.writing() as connection:
            connection.execute("CHECKPOINT")
            # Between checkpoint and copy, in one turn: the copy is of this very state of the file.
            changed = changed_at(self.path)
            shutil.copyfile(self.path, target)
        return changed

    @contextmanager
    def locked(self, *, exclusive: bool) -> Generator[None]:
        """Our own turn at the file, nothing opened."""
        wait = max(_TURN_SECONDS, self.busy_seconds)
        # threads first: a thread that waits for another one must not hold the turn of the whole
        # machine
        with self._threads, turn(self.path, exclusive=exclusive, wait_seconds=wait):
            yield

    @contextmanager
    def _opened(
        self, *, read_only: bool, beside: Path | None = None
    ) -> Generator[duckdb.DuckDBPyConnection]:
        """Our turn and an open file; the turn is given up between tries at a held file."""
        with ExitStack() as held:
            connection = self._taken(held, read_only, beside)
            with told_clearly(self.path):
                yield connection

    def _taken(
        self, held: ExitStack, read_only: bool, beside: Path | None
    ) -> duckdb.DuckDBPyConnection:
        pause, told = _POLL_SECONDS, False
        # when a client was first met: what our own turns cost before is not its doing
        held_since = 0.0
        key = (self.path, read_only)
        # a run that just waited in vain does not wait as long again to write its last words
        bound = (
            0.0
            if time.monotonic() - _GIVEN_UP.get(key, -inf) < _WAITED_ENOUGH_SECONDS
            else self.busy_seconds
        )
        while True:
            with ExitStack() as ours:
                ours.enter_context(self.locked(exclusive=not read_only))
                try:
                    with opening_told(self.path):
                        connection = ours.enter_context(self._connected(read_only, beside))
                    _GIVEN_UP.pop(key, None)
                    # the turn and the connection now end with the caller's block and not with this
                    # one
                    held.push(ours.pop_all())
                    return connection
                except HeldByAnother as error:
                    held_since = held_since or time.monotonic()
                    waited = time.monotonic() - held_since
                    if waited >= bound:
                        _GIVEN_UP[key] = time.monotonic()
                        raise
                    if waited >= _SAY_AFTER_SECONDS and not told:
                        self._say(f"Waiting, {bound:g} s at most: {error}")
                        told = True
            # at random, or processes that met once would meet at each try
            time.sleep(pause * (0.5 + random.random()))
            pause = min(2 * pause, _LONGEST_POLL_SECONDS)

    def _connected(
        self, read_only: bool, beside: Path | None
    ) -> AbstractContextManager[duckdb.DuckDBPyConnection]:
        if read_only:
            return attached(self.path, MEMORY_LIMIT)
        return closing(connect(self.path, read_only=False, beside=beside))


def log_of(path: Path) -> Path:
    """The write-ahead log that DuckDB keeps beside a database file."""
    return path.with_name(path.name + ".wal")


def partial_beside(path: Path) -> Path:
    """A hidden file beside this one in which it is made ready; each call names another."""
    return path.with_name(f".{path.name}.{os.getpid()}-{time.monotonic_ns()}.part")


def changed_at(path: Path) -> int:
    """When the file or its log was last written, in nanoseconds."""
    return max(file.stat().st_mtime_ns for file in (path, log_of(path)) if file.exists())


def connect(
    path: Path, *, read_only: bool, beside: Path | None = None
) -> duckdb.DuckDBPyConnection:
    """Open a DuckDB file once, without waiting; DuckDB's errors become ours.

    The connection opens no other file, whatever a view in this one asks for: only `beside`, another
    database, may be attached.
    """
    # shut by itself, DuckDB looks for a log by a name that it has not allowed where there is a ?
    opens_more = beside is not None or "?" in str(path)
    config: dict[str, str | bool | int | float | list[str]] = {
        "memory_limit": MEMORY_LIMIT,
        "enable_external_access": opens_more,
    }
    # only a new file has a choice: DuckDB keeps the version of one that is there
    if not path.exists():
        config["storage_compatibility_version"] = STORAGE_VERSION
    with opening_told(path):
        connection = duckdb.connect(path, read_only=read_only, config=config)
        if opens_more:
            shut_in(connection, path, *filter(None, [beside]))
        return connection


@contextmanager
def opening_told(path: Path) -> Generator[None]:
    """DuckDB's errors on opening a file become ours."""
    try:
        yield
    except duckdb.Error as error:
        raise translated(path, error) or InputError(
            f"The store {str(path)!r} cannot be opened ({first_line(error)}). Check folder,"
            " permissions and free disk."
        ) from error


@contextmanager
def told_clearly(path: Path) -> Generator[None]:
    """DuckDB's errors about an open file itself become ours: those of a query or a commit."""
    try:
        yield
    except duckdb.Error as error:
        clear = translated(path, error)
        if clear is None:
            raise
        raise clear from error


def translated(path: Path, error: duckdb.Error) -> InputError | HeldByAnother | None:
    """Our error for one of DuckDB's about a whole file; None where it is about a statement."""
    line = first_line(error)
    # Tried in this order, because the later patterns are the wider ones.
    if _HELD in line:
        return HeldByAnother(
            f"{_holder(line)} holds {str(path)!r} open. Close it there, or open reader.duckdb there"
            " instead; what was acknowledged is stored, and the same command goes on."
        )
    if _FULL.search(line):
        return InputError(
            f"The store {str(path)!r} can't be written ({line}). Free disk space; what was"
            " acknowledged is kept."
        )
    if _ANOTHERS_LOG.search(line):
        return InputError(
            f"A store and its log belong together; {str(log_of(path))!r} belongs to another file,"
            f" or to another state of {str(path)!r}. Put back the pair, or move the log away and go"
            " on without its rows."
        )
    if _DAMAGED.search(line) or isinstance(
        error, (duckdb.FatalException, duckdb.InternalException, duckdb.SerializationException)
    ):
        return InputError(
            f"A store must be a DuckDB file; {str(path)!r} is not, or is damaged ({line}). Put a"
            " backup in its place."
        )
    if isinstance(error, duckdb.PermissionException):
        return InputError(
            f"A store's views read nothing but its tables; one in {str(path)!r} asks for more"
            f" ({line}). Move the file away, and make a store of its rows: regenesis storage"
            " restore FILE"
        )
    if "newer version" in line or "storage version" in line:
        return InputError(
            f"{str(path)!r} was written by another DuckDB version ({line}). Install that version."
        )
    return None


def _holder(line: str) -> str:
    """Who holds the file, as DuckDB says it: program, process and user."""
    found = _HOLDER.search(line)
    if found is None:
        return "Another program"
    return f"Process {found[2]} ({found[1]}{f' of user {found[3]}' if found[3] else ''})"
