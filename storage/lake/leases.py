"""Leases: who works on a question set in a draw, so that two runs on one lake do not pay for the same texts.

A lease is a row. It is taken in a transaction that also updates the one row that every taker updates, so that of two
takers at once one must try again and then sees the other. Its owner renews it; one that is dead on this machine, or
has not renewed it for the bound, has lost it.
"""

import os
import socket
import threading
import uuid
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta

import duckdb

from storage.clock import utc_now
from storage.errors import InputError, ReGenesisError
from storage.lake.lake_catalogue import Lake

LEASE_SECONDS = 120.0
_RENEW_SECONDS = 30.0
_EVERYBODYS = "(everybody)"


@contextmanager
def held_lease(lake: Lake, question_sets: Sequence[str], draw: int) -> Generator[None]:
    """Hold the leases while the block runs; raises InputError where another holds one of them."""
    owner = f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:8]}"
    lake.committed(lambda connection: _take(connection, question_sets, draw, owner))
    over = threading.Event()
    renewing = threading.Thread(target=_renew, args=(lake, owner, over), daemon=True, name="lease")
    renewing.start()
    try:
        yield
    finally:
        over.set()
        renewing.join()
        lake.committed(lambda connection: connection.execute("DELETE FROM leases WHERE owner = ?", [owner]))


def refuse_beside_a_run(connection: duckdb.DuckDBPyConnection, where: str) -> None:
    """Raises InputError while anybody holds a lease: a run of the program before would go on writing what it knows."""
    try:
        leases = connection.execute("SELECT owner, renewed_at FROM leases").fetchall()
    except duckdb.CatalogException:  # older than leases, or another process is just making it
        return
    for owner, renewed_at in leases:
        if owner != _EVERYBODYS and _is_alive(owner, renewed_at):
            host, process, _ = owner.rsplit(":", 2)
            raise InputError(
                f"The lake {where} is of an earlier version and is brought to this one while no run works on it; "
                f"process {process} on {host} does. Wait for it, or end it."
            )


def conflict_with_others(connection: duckdb.DuckDBPyConnection) -> None:
    """Make this transaction one that fails to commit, and is run again, where another that did this came first."""
    connection.execute("UPDATE leases SET renewed_at = ? WHERE owner = ?", [_now(), _EVERYBODYS])


def _take(connection: duckdb.DuckDBPyConnection, question_sets: Sequence[str], draw: int, owner: str) -> None:
    conflict_with_others(connection)
    held = connection.execute(
        "SELECT question_set, owner, renewed_at FROM leases"
        " WHERE draw = ? AND question_set IN (SELECT unnest(?::VARCHAR[]))",
        [draw, list(question_sets)],
    ).fetchall()
    for question_set, other, renewed_at in held:
        if _is_alive(other, renewed_at):
            host, process, _ = other.rsplit(":", 2)
            raise InputError(
                f"One run at a time works on a question set in a round; process {process} on {host} works on "
                f"{question_set!r} in round {draw}. Wait for it, end it, or name other question sets."
            )
        connection.execute("DELETE FROM leases WHERE owner = ?", [other])
    for question_set in question_sets:
        connection.execute("INSERT INTO leases VALUES (?, ?, ?, ?)", [question_set, draw, owner, _now()])


def _renew(lake: Lake, owner: str, over: threading.Event) -> None:
    """Until the block is over. A renewal that fails is tried at the next turn; the rows are kept apart in any case."""
    while not over.wait(_RENEW_SECONDS):
        try:
            lake.committed(
                lambda connection: connection.execute(
                    "UPDATE leases SET renewed_at = ? WHERE owner = ?", [_now(), owner]
                )
            )
        except (ReGenesisError, duckdb.Error):
            continue


def _is_alive(owner: str, renewed_at: datetime) -> bool:
    host, process, _ = owner.rsplit(":", 2)
    if _now() - renewed_at > timedelta(seconds=LEASE_SECONDS):
        return False
    return host != socket.gethostname() or _runs(int(process))


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _now() -> datetime:
    return utc_now().replace(tzinfo=None)
