"""Copies a whole store into another of either kind, and proves the copy equal; all or nothing.

The target must be empty. The source stays as it is. What a lake's old states were is not moved.
"""

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass

import duckdb

from storage.errors import InputError, PermanentError
from storage.file.file_store import FileStore
from storage.lake.lake_store import LakeStore
from storage.open_store import open_store
from storage.records import RECORD_TYPES, Record
from storage.store.arrow import ArrowTable
from storage.store.batches import transaction
from storage.store.store import Store
from storage.store.tables import sql_types

# some hundred MiB of texts at once
_BATCH_ROWS = 100_000


@dataclass(frozen=True)
class MovedTable:
    """A table of the copy: rows and a hash that no order of rows changes, equal on both sides."""

    table: str
    rows: int
    digest: str


def move_store(source: Store, target_url: str) -> list[MovedTable]:
    """The tables that were copied; raises InputError where the target holds any row."""
    if target_url == source.url:
        raise InputError(
            f"A store moves to another place; found its own, {target_url!r}. Name another URL."
        )
    target = open_store(target_url)
    with source.reading_long() as reading:
        if isinstance(target, LakeStore):
            return target.lake.committed(lambda writing: _copy_all(reading, writing, target_url))
        with _written(target) as writing:
            return _copy_all(reading, writing, target_url)


@contextmanager
def _written(target: Store) -> Generator[duckdb.DuckDBPyConnection]:
    if not isinstance(target, FileStore):
        raise PermanentError(f"A store is a file or a lake; found {type(target).__name__}.")
    with target.writing_alone() as connection, transaction(connection):
        yield connection


def _copy_all(
    reading: duckdb.DuckDBPyConnection, writing: duckdb.DuckDBPyConnection, target_url: str
) -> list[MovedTable]:
    _refuse_rows(writing, target_url)
    return [_copy(reading, writing, record_type) for record_type in RECORD_TYPES]


def _refuse_rows(writing: duckdb.DuckDBPyConnection, target_url: str) -> None:
    for record_type in RECORD_TYPES:
        if writing.execute(f"SELECT 1 FROM {record_type.table} LIMIT 1").fetchone():
            raise InputError(
                f"A store moves to an empty place; {target_url!r} has rows in {record_type.table}."
                " Name another URL."
            )


def _copy(
    reading: duckdb.DuckDBPyConnection,
    writing: duckdb.DuckDBPyConnection,
    record_type: type[Record],
) -> MovedTable:
    table, columns = record_type.table, _columns(record_type)
    for batch in reading.execute(f"SELECT {columns} FROM {table}").to_arrow_reader(_BATCH_ROWS):
        _insert(writing, table, batch)
    before, after = (_measured(connection, record_type) for connection in (reading, writing))
    if before != after:
        raise PermanentError(
            f"The copied {table} differs: {before.rows} rows with hash {before.digest},"
            f" {after.rows} with {after.digest}. Nothing was moved; the source is as it was. Look"
            " at its rows: regenesis storage check"
        )
    return after


def _insert(writing: duckdb.DuckDBPyConnection, table: str, batch: ArrowTable) -> None:
    writing.register("_moved", batch)
    try:
        writing.execute(f"INSERT INTO {table} BY NAME SELECT * FROM _moved")
    finally:
        writing.unregister("_moved")


def _measured(connection: duckdb.DuckDBPyConnection, record_type: type[Record]) -> MovedTable:
    row = connection.execute(
        # a sum does not depend on the order of rows, and two equal rows do not cancel as under XOR
        f"SELECT count(*), coalesce(sum(hash({_columns(record_type)})), 0)::VARCHAR FROM"
        f" {record_type.table}"
    ).fetchone()
    return (
        MovedTable(record_type.table, int(row[0]), str(row[1]))
        if row
        else MovedTable(record_type.table, 0, "0")
    )


def _columns(record_type: type[Record]) -> str:
    """Every column but the number of the old place's state, which says nothing in the new."""
    return ", ".join(f'"{name}"' for name in sql_types(record_type) if name != "snapshot")
