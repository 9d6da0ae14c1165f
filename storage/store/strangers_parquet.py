"""Rows of a table from a stranger's Parquet file, within bounds of rows, bytes and memory.

What the file says of its size is not believed. DuckDB reads it, with little memory and one part at
a time, and nothing is kept before all of it was counted: a few kB of Parquet can be many GB.
"""

import glob
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import cast

import duckdb
import pyarrow as pa

from storage.errors import InputError
from storage.records import Record
from storage.store.arrow import ArrowTable, shaped
from storage.store.parquet_footer import check_thrift
from storage.store.tables import allowed_values, nullable_columns, sql_types

MEMORY = "300MB"
"""Of DuckDB, while it reads a file; a text larger than that is refused."""
MOST_FOOTER = 256 * 1024
"""Bytes of a file's description of itself; 9 kB in our own, 4 MB with 50,000 groups of rows."""
_AHEAD = timedelta(days=1)
"""By how much another machine's clock may be ahead of ours."""
_KINDS = {
    "UUID": {"UUID", "VARCHAR"},
    "VARCHAR": {"VARCHAR"},
    "BIGINT": {"BIGINT", "INTEGER"},
    "DOUBLE": {"DOUBLE", "FLOAT"},
    "BOOLEAN": {"BOOLEAN"},
    "TIMESTAMP": {
        "TIMESTAMP",
        "TIMESTAMP_S",
        "TIMESTAMP_MS",
        "TIMESTAMP_NS",
        "TIMESTAMP WITH TIME ZONE",
    },
    "VARCHAR[]": {"VARCHAR[]"},
    "DOUBLE[]": {"DOUBLE[]", "FLOAT[]"},
}
"""What a column's values may be in a file, by what they are in the table."""
_BYTES = {
    "VARCHAR": "8 + strlen({})",
    "VARCHAR[]": (
        "8 * len({0}) + coalesce(list_sum(list_transform({0}, lambda one: strlen(one))), 0)"
    ),
    "DOUBLE[]": "8 * len({})",
    "FLOAT[]": "8 * len({})",
    "INTEGER[]": "8 * len({})",
}
"""What a value takes, by its kind in the file; 8 bytes of any other."""
# a column without a value has no kind of its own: pyarrow writes its nulls as whole numbers
_OF_NULLS = {"INTEGER", '"NULL"', "INTEGER[]"}


@dataclass(frozen=True)
class Room:
    """How much a file may hold."""

    rows: int
    bytes: int
    """Of all values, each text counted as often as it stands there."""


def read_strangers(file: Path, record_type: type[Record], room: Room) -> ArrowTable:
    """The file's rows in the table's own types; nulls in a column that it is too old to have.

    Raises InputError, naming the file.
    """
    with _no_rows_of(file, record_type), _reader() as reader:
        _check_footer(file)
        # a name may hold what a pattern is made of, and `draw=3` in it is no column
        source = "read_parquet(?, hive_partitioning = false)"
        name = glob.escape(str(file))
        described = reader.execute(f"DESCRIBE SELECT * FROM {source}", [name]).fetchall()
        found = {str(one[0]): str(one[1]) for one in described}
        taken = _taken(record_type, found)
        _check_size(reader.execute(_sizes(record_type, found, source, room), [name]), room)
        rows = reader.execute(f"SELECT {taken} FROM {source}", [name]).to_arrow_table()
        table = shaped(cast("ArrowTable", rows), list(sql_types(record_type).values()))
        _check_values(table, record_type)
        return table


@contextmanager
def _reader() -> Generator[duckdb.DuckDBPyConnection]:
    # nothing is spilled to a disk, and a zone's times are told in UTC
    config: dict[str, str | bool | int | float | list[str]] = {
        "memory_limit": MEMORY,
        "threads": 1,
        "temp_directory": "",
        "autoload_known_extensions": False,
        "autoinstall_known_extensions": False,
    }
    with duckdb.connect(config=config) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        yield connection


@contextmanager
def _no_rows_of(file: Path, record_type: type[Record]) -> Generator[None]:
    try:
        yield
    except duckdb.OutOfMemoryException as error:
        raise InputError(
            f"{str(file)!r} must be read with {MEMORY} of memory; a part of it takes more. Take a"
            " file that `compare --export` wrote."
        ) from error
    except (duckdb.Error, pa.ArrowException, OSError, ValueError) as error:
        first = str(error).partition("\n")[0]
        raise InputError(
            f"{str(file)!r} must hold rows of {record_type.table}, as `compare --export` writes"
            f" them ({first})."
        ) from error


def _check_footer(file: Path) -> None:
    """Whether what describes the file is small, and what it claims is there."""
    size = file.stat().st_size
    with file.open("rb") as opened:
        # the last eight bytes: the footer's length, and PAR1
        opened.seek(max(0, size - 8))
        end = opened.read(8)
        if end[4:] != b"PAR1":
            raise ValueError("no Parquet file")
        length = int.from_bytes(end[:4], "little")
        if length > min(MOST_FOOTER, size - 8):
            raise ValueError(
                f"a footer has at most {MOST_FOOTER:,} bytes, all in its file; found {length:,}"
            )
        opened.seek(size - 8 - length)
        check_thrift(opened.read(length))


def _taken(record_type: type[Record], found: dict[str, str]) -> str:
    """The table's columns, as SQL over what the file has."""
    later = {field.name for field in fields(record_type) if field.default is None}
    nullable, columns = nullable_columns(record_type), list[str]()
    for name, kind in sql_types(record_type).items():
        own = found.get(name)
        if own is None and name in later:
            value = "NULL"
        elif own is None:
            raise ValueError(f"no column {name}")
        elif own in _KINDS[kind]:
            value = f'"{name}"'
        elif own in _OF_NULLS and name in nullable:
            value = f'CAST("{name}" AS VARCHAR)'
        else:
            raise ValueError(f"{name} is of kind {kind}; found {own[:80]}")
        columns.append(f'CAST({value} AS {kind}) AS "{name}"')
    return ", ".join(columns)


def _sizes(record_type: type[Record], found: dict[str, str], source: str, room: Room) -> str:
    """SQL that counts the rows, up to one too many, and the bytes of their values."""
    names = [name for name in sql_types(record_type) if name in found]
    each = [_BYTES.get(found[name], "8").format(f'"{name}"') for name in names]
    counted = ", ".join(f"coalesce(sum({one}), 0)" for one in each)
    listed = ", ".join(f'"{name}"' for name in names)
    return f"SELECT count(*), {counted} FROM (SELECT {listed} FROM {source} LIMIT {room.rows + 1})"


def _check_size(counted: duckdb.DuckDBPyConnection, room: Room) -> None:
    rows, *sizes = counted.fetchall()[0]
    if rows > room.rows:
        raise ValueError(f"{room.rows:,} rows at most; found more")
    if sum(sizes) > room.bytes:
        raise ValueError(f"values of {room.bytes:,} bytes at most; found {sum(sizes):,}")


def _check_values(table: ArrowTable, record_type: type[Record]) -> None:
    """Whether each column has a value where it must, and one of those that it may have."""
    nullable = nullable_columns(record_type)
    for name in table.column_names:
        if name not in nullable and table[name].null_count:
            raise ValueError(f"{name} is null in a row")
    for name, allowed in allowed_values(record_type).items():
        if strange := set(table[name].to_pylist()) - allowed - {None}:
            raise ValueError(f"{name} is one of {sorted(allowed)!r}; found {min(strange)[:80]!r}")
    _check_times(
        table, [name for name, kind in sql_types(record_type).items() if kind == "TIMESTAMP"]
    )
    ids = table["id"].to_pylist()
    if len(set(ids)) < len(ids):
        raise ValueError("an id is there twice")


def _check_times(table: ArrowTable, names: list[str]) -> None:
    """Whether each is one that a run can have had: Python has no time after the year 9999.

    The newest set of a name is read, so one of the future would stay that for good.
    """
    latest = (datetime.now(UTC) + _AHEAD).timestamp() * 1_000_000
    for name in names:
        for one in table[name].cast(pa.int64()).to_pylist():
            if one is not None and not 0 <= one <= latest:
                raise ValueError(f"{name} is from 1970 to tomorrow; found {one:,} µs since 1970")
