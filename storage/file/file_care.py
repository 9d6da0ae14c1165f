"""Care of a store in a file: rewriting it without the room of deleted rows, and copying it whole.

Both write aside and rename when whole, so a kill or a full disk leaves the last good state.
"""

from pathlib import Path

import duckdb

from storage.errors import PermanentError
from storage.file.database import connect, told_clearly
from storage.file.file_store import FileStore
from storage.file.overlay import merge
from storage.file.private_copy import copied_whole
from storage.file.spool import Spool
from storage.records import RECORD_TYPES
from storage.store.tables import sql_types

_BOOKKEEPING = {"schema_migrations": ["version", "name"], "schema_state": ["surface"], "merged_spool_files": ["name"],
                "leases": ["question_set", "draw", "owner"]}  # fmt: skip


def compact_file(store: FileStore) -> tuple[int, int]:
    """Rewrite the file without the room of deleted rows; returns its bytes before and after. The spool is merged first.

    Raises HeldByAnother while a foreign client has it open.
    """
    store.merge_spool()
    before = store.path.stat().st_size
    partial = store.path.with_name(store.path.name + ".compact.part")
    partial.unlink(missing_ok=True)
    try:
        with store.writing_alone() as connection:
            connection.execute(f"ATTACH '{str(partial).replace(chr(39), chr(39) * 2)}' AS compacted")
            connection.execute(f'COPY FROM DATABASE "{_catalog(connection)}" TO compacted')
            _check_equal(connection, f'"{_catalog(connection)}"', "compacted")
            connection.execute("DETACH compacted")
            connection.close()
            partial.replace(store.path)
            store.path.with_name(store.path.name + ".wal").unlink(missing_ok=True)
    except (OSError, duckdb.Error) as error:
        raise PermanentError(
            f"{str(store.path)!r} was not compacted ({str(error).splitlines()[0]}); the file is as it was. "
            "Free disk space."
        ) from error
    finally:
        for leftover in (partial, partial.with_name(partial.name + ".wal")):
            leftover.unlink(missing_ok=True)
    return before, store.path.stat().st_size


def back_up_file(store: FileStore, partial: Path) -> None:
    """A whole copy, the spool merged into it."""
    with store.standing_still():
        if not copied_whole(store.path, partial):
            with store.reading():
                pass  # says so where the file is damaged
            raise PermanentError(f"Another program changes {str(store.path)!r}; close it and back up again.")
    connection = connect(partial, read_only=False)
    try:
        with told_clearly(store.path):  # a damaged file must not push good backups out
            for table in (record_type.table for record_type in RECORD_TYPES):
                connection.execute(f"SELECT count(*), {_digest(table)} FROM {table}").fetchall()
        merge(connection, Spool(store.spool_folder), remove=False)
    finally:
        connection.close()


def _check_equal(connection: duckdb.DuckDBPyConnection, one: str, other: str) -> None:
    for table in (*(record_type.table for record_type in RECORD_TYPES), *_BOOKKEEPING):
        [counts] = connection.execute(
            f"SELECT (SELECT (count(*), {_digest(table)}) FROM {one}.main.{table}) IS NOT DISTINCT FROM"
            f" (SELECT (count(*), {_digest(table)}) FROM {other}.main.{table})"
        ).fetchall()
        if not counts[0]:
            raise PermanentError(f"The rewritten {table} differs from the old; the file is as it was.")


def _digest(table: str) -> str:
    columns = ", ".join(f'"{name}"' for name in _columns(table))
    return f"bit_xor(hash({columns}))"


def _columns(table: str) -> list[str]:
    known = {record_type.table: record_type for record_type in RECORD_TYPES}
    if table in known:
        return list(sql_types(known[table]))
    return _BOOKKEEPING[table]


def _catalog(connection: duckdb.DuckDBPyConnection) -> str:
    row = connection.execute("SELECT current_database()").fetchone()
    return str(row[0]) if row else ""
