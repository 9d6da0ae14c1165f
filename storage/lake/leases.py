"""Leases on question set and draw, so that two runs on one lake do not pay for the same texts.

A lease is a lock that ends with its holder: on Postgres an advisory lock of a session, beside a
SQLite catalogue a locked file. No clock and no host name decides who holds one. A row beside it
names the holder for people.
"""

import fcntl
import hashlib
import os
import socket
import uuid
from collections.abc import Callable, Generator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb

from storage.clock import utc_now
from storage.errors import InputError, TransientError
from storage.lake.lake_catalogue import Lake
from storage.store.store_url import LakePlace

if TYPE_CHECKING:
    import psycopg

# Rows of a program before 0.2, which held no lock, are believed for as long as that program renewed
# them.
LEASE_SECONDS = 120.0
# a row that every lease rewrites, so that two at once conflict (optimistic concurrency needs a row)
_EVERYBODYS = "(everybody)"
_LOCKED = "lock-"  # begins the last part of an owner whose lease is a lock
# A machine that lost its power says no word: the server asks after it, and ends its session after
# 30 + 6 * 10 seconds.
_KEEP_ALIVE = (
    "SET tcp_keepalives_idle = 30; SET tcp_keepalives_interval = 10; SET tcp_keepalives_count = 6"
)


@contextmanager
def held_lease(lake: Lake, question_sets: Sequence[str], draw: int) -> Generator[None]:
    """Hold the leases while the block runs; raises InputError where another holds one of them."""
    owner = f"{socket.gethostname()}:{os.getpid()}:{_LOCKED}{uuid.uuid4().hex[:8]}"
    with _locks_of(lake.place) as take:
        # In one order for all: of two that want the same sets one gets them. In other orders both
        # could take one and be refused the next.
        for name in sorted(set(question_sets)):
            if not take(name, draw):
                raise InputError(_held(lake, name, draw))
        lake.committed(lambda connection: _note(connection, question_sets, draw, owner))
        try:
            yield
        finally:
            lake.committed(
                lambda connection: connection.execute("DELETE FROM leases WHERE owner = ?", [owner])
            )


def refuse_beside_a_run(connection: duckdb.DuckDBPyConnection, place: LakePlace) -> None:
    """Raise InputError while anybody holds a lease.

    A run of the program before would go on writing the tables that it knows.
    """
    try:
        leases = connection.execute(
            "SELECT question_set, draw, owner, renewed_at FROM leases"
        ).fetchall()
    except duckdb.CatalogException:  # older than leases, or another process is just making it
        return
    with _locks_of(place) as take:
        for name, draw, owner, noted_at in leases:
            if owner != _EVERYBODYS and _is_held(owner, noted_at, take(name, draw)):
                raise InputError(
                    f"The lake {place.catalogue} is of an earlier version and is brought to this"
                    f" one while no run works on it; {_who(owner)} does. Wait for it, or end it."
                )


def _is_held(owner: str, noted_at: datetime, is_free: bool) -> bool:
    """A lock tells; of an owner before 0.2, which had none, what it renewed a moment ago."""
    if owner.rpartition(":")[2].startswith(_LOCKED):
        return not is_free
    return _now() - noted_at < timedelta(seconds=LEASE_SECONDS)


def conflict_with_others(connection: duckdb.DuckDBPyConnection) -> None:
    """Make this transaction fail and run again where another with the same call committed first."""
    connection.execute("UPDATE leases SET renewed_at = ? WHERE owner = ?", [_now(), _EVERYBODYS])


def _note(
    connection: duckdb.DuckDBPyConnection, question_sets: Sequence[str], draw: int, owner: str
) -> None:
    """The rows that name the holder; those of one before it that died go."""
    conflict_with_others(connection)
    connection.execute(
        "DELETE FROM leases WHERE draw = ? AND question_set IN (SELECT unnest(?::VARCHAR[]))",
        [draw, list(question_sets)],
    )
    for name in question_sets:
        connection.execute("INSERT INTO leases VALUES (?, ?, ?, ?)", [name, draw, owner, _now()])


def _held(lake: Lake, question_set: str, draw: int) -> str:
    """The refusal, with the holder's name where its row is there already."""
    with lake.reading() as connection:
        row = connection.execute(
            "SELECT owner FROM stored.leases WHERE question_set = ? AND draw = ? ORDER BY"
            " renewed_at DESC LIMIT 1",
            [question_set, draw],
        ).fetchone()
    return (
        "One run at a time works on a question set in a round;"
        f" {_who(row[0]) if row else 'another'} works on {question_set!r} in round {draw}. Wait for"
        " it, end it, or name other question sets."
    )


def _who(owner: str) -> str:
    host, process, _ = owner.rsplit(":", 2)
    return f"process {process} on {host}"


class _FileLocks:
    """Locked files beside a SQLite catalogue, which one machine's processes share."""

    def __init__(self, catalogue: Path, held: ExitStack) -> None:
        self._folder = catalogue.with_name(catalogue.name + ".leases")
        self._folder.mkdir(exist_ok=True)
        self._held = held
        self._taken: set[Path] = set()

    def __call__(self, question_set: str, draw: int) -> bool:
        file = self._folder / f"{_key(question_set, draw):016x}"
        while (
            file not in self._taken
        ):  # a second descriptor of ours would find the first in its way
            descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(descriptor)
                return False
            # the path may name another file by now, on which somebody else holds the lock
            if _is_still(file, descriptor):
                self._held.callback(_give_back, file, descriptor)
                self._taken.add(file)
            else:
                os.close(descriptor)  # its holder removed it between our opening and our locking
        return True


class _SessionLocks:
    """Advisory locks of one Postgres session, which end with it."""

    def __init__(self, session: "psycopg.Connection[tuple[bool]]") -> None:
        self._session = session

    def __call__(self, question_set: str, draw: int) -> bool:
        key = _key(question_set, draw) - 2**63  # Postgres takes a signed number of 64 bits
        # The lock is the session's: it ends with the connection, so no clock is needed and no row
        # is left.
        row = self._session.execute("SELECT pg_try_advisory_lock(%s)", [key]).fetchone()
        return bool(row and row[0])


@contextmanager
def _locks_of(place: LakePlace) -> Generator[Callable[[str, int], bool]]:
    """A function that takes the lock of a question set and draw, or says that another has it."""
    if place.catalogue_file is not None:
        with ExitStack() as held:
            yield _FileLocks(place.catalogue_file, held)
        return
    import psycopg

    try:
        session = psycopg.connect(place.catalogue.removeprefix("postgres:"), autocommit=True)
    except psycopg.Error as error:
        raise TransientError(
            f"The catalogue at {place.catalogue!r} must be reached for a lease; it was not"
            f" ({error}). Try again."
        ) from error
    try:
        session.execute(_KEEP_ALIVE)
        yield _SessionLocks(session)
    finally:
        with suppress(psycopg.Error):
            session.close()


def _is_still(file: Path, descriptor: int) -> bool:
    try:
        return file.stat().st_ino == os.fstat(descriptor).st_ino
    except FileNotFoundError:
        return False


def _give_back(file: Path, descriptor: int) -> None:
    """The file goes while it is still locked, so that nobody locks one that is about to go."""
    file.unlink(missing_ok=True)
    os.close(descriptor)


def _key(question_set: str, draw: int) -> int:
    return int.from_bytes(
        hashlib.sha256(f"regenesis lease {draw} {question_set}".encode()).digest()[:8]
    )


def _now() -> datetime:
    return utc_now().replace(tzinfo=None)
