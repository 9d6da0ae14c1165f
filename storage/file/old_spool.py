"""Batches that versions up to schema 5 left beside a file that a client held: put in once.

A spool file is one batch: Arrow streams, each with its table and operation. Its name is the time,
the rows and the hash of its bytes: `00000001790000000000-25-9f86d0....arrows`.
"""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pyarrow as pa

from storage.errors import InputError, first_line
from storage.records import RECORD_TYPES
from storage.store.arrow import ArrowTable
from storage.store.batches import append_rows, replace_row, transaction

_TABLES = {record_type.table for record_type in RECORD_TYPES}


def spool_of(path: Path) -> Path:
    """The folder in which a version before kept such batches."""
    return path.with_name(path.name + ".spool")


def waiting_batches(path: Path) -> list[Path]:
    """Its files, oldest first."""
    return sorted(spool_of(path).glob("*.arrows"))


def merge_old_spool(connection: duckdb.DuckDBPyConnection, path: Path) -> None:
    """Commit waiting batches in order into a store of their schema, and remove their files.

    Raises InputError where a batch can't be put in; then it stays, and so do those after it.
    """
    # killed between commit and removal, the file is there and its name is in the table
    done = _merged(connection, path)
    for file in waiting_batches(path):
        try:
            if file.name not in done:
                _merge(connection, file)
        except (pa.ArrowException, duckdb.Error, KeyError, ValueError) as error:
            raise InputError(
                f"{str(file)!r} holds acknowledged rows of the version before, which can't be put"
                f" into {str(path)!r} ({first_line(error)}). Keep the file; move it out of"
                " the folder to go on without its rows."
            ) from error
        file.unlink()


def _merged(connection: duckdb.DuckDBPyConnection, path: Path) -> set[str]:
    """Names of files whose batches are in the store: a kill can come between commit and removal."""
    try:
        return {
            row[0] for row in connection.execute("SELECT name FROM merged_spool_files").fetchall()
        }
    except duckdb.CatalogException as error:
        raise InputError(
            f"{str(spool_of(path))!r} holds batches of an earlier version than {str(path)!r} is;"
            " they are not its own. Move the folder away, or put back the store that they"
            " belong to."
        ) from error


def _merge(connection: duckdb.DuckDBPyConnection, file: Path) -> None:
    content = file.read_bytes()
    # a file that was cut short by a full disk must not be taken for a whole batch
    if hashlib.sha256(content).hexdigest() != file.stem.rsplit("-", 1)[1]:
        raise ValueError("its hash is not its name's: it is damaged")
    with transaction(connection):
        for table, operation, batch in _batches(content):
            rows = _known_columns(connection, table, batch)
            if operation == "update":
                replace_row(connection, table, rows)
            else:
                append_rows(connection, table, rows)
        connection.execute(
            "INSERT INTO merged_spool_files VALUES (?, now()::TIMESTAMP)", [file.name]
        )


def _known_columns(
    connection: duckdb.DuckDBPyConnection, table: str, rows: ArrowTable
) -> ArrowTable:
    """The rows without columns that the table lacks; raises ValueError if one holds a value."""
    known = {row[0] for row in connection.execute(f"DESCRIBE {table}").fetchall()}
    unknown = [name for name in rows.column_names if name not in known]
    for name in unknown:
        if any(value is not None for value in rows[name].to_pylist()):
            raise ValueError(f"{table} has no column {name!r} for its values")
    return rows.select([name for name in rows.column_names if name in known])


def _batches(content: bytes) -> Iterator[tuple[str, str, ArrowTable]]:
    source = pa.BufferReader(content)
    while source.tell() < len(content):
        rows = pa.ipc.open_stream(source).read_all()
        table, operation = (
            rows.schema.metadata[name].decode() for name in (b"table", b"operation")
        )
        if table not in _TABLES:
            raise ValueError(f"it names the table {table!r}, which is none of ours")
        yield table, operation, rows.replace_schema_metadata(None)
