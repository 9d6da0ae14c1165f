"""The SQL of a micro-batch: transactions, Arrow appends with an anti-join, replaced rows.

Ids are unique because every append leaves out what is there. Where a type has `draw`, the search
looks only within the batch's draws: equal ids have equal draws, and row-group statistics skip the
rest.
"""

from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import contextmanager

import duckdb

from storage.records import RECORD_TYPES, Record
from storage.store.arrow import ArrowTable
from storage.store.tables import R, from_rows, sql_types, to_arrow

RECORD_TYPE_OF_TABLE: dict[str, type[Record]] = {
    record_type.table: record_type for record_type in RECORD_TYPES
}


def tables_of(records: Iterable[Record]) -> dict[str, ArrowTable]:
    """Arrow rows by table, in chain order; of equal ids the first stays."""
    by_table: dict[str, dict[object, Record]] = {}
    for record in records:
        by_table.setdefault(type(record).table, {}).setdefault(record.id, record)
    return {
        table: to_arrow(record_type, list(by_table[table].values()))
        for table, record_type in RECORD_TYPE_OF_TABLE.items()
        if table in by_table
    }


def append_rows(connection: duckdb.DuckDBPyConnection, table: str, rows: ArrowTable) -> int:
    """Insert rows that are not there yet, in the caller's transaction; returns how many."""
    columns = ", ".join(f'"{name}"' for name in rows.column_names)
    connection.register("_batch", rows)
    try:
        inserted = connection.execute(
            f"INSERT INTO {table} ({columns}) SELECT {columns} FROM _batch"
            # A hash join of the batch with the ids of its draws: no index to keep, and DuckLake has
            # none.
            f" ANTI JOIN (SELECT id FROM {table}{within_draws(table, rows)}) USING (id)"
        ).fetchone()
    finally:
        connection.unregister("_batch")
    return int(inserted[0]) if inserted else 0


def numbered_row(
    connection: duckdb.DuckDBPyConnection,
    make: Callable[[int], R],
    column: str,
    unless: Mapping[str, object],
) -> R:
    """The row that equals `unless`, or a new one with the next number in `column`.

    In the caller's transaction.
    """
    kind = type(make(0))
    columns = ", ".join(f'"{name}"' for name in sql_types(kind))
    equal = " AND ".join(f'"{name}" = ?' for name in unless)
    there = connection.execute(
        f"SELECT {columns} FROM {kind.table} WHERE {equal}", [*unless.values()]
    ).fetchall()
    if there:
        return from_rows(kind, there)[-1]
    row = connection.execute(f'SELECT coalesce(max("{column}"), 0) FROM {kind.table}').fetchone()
    record = make(int(row[0]) + 1 if row else 1)
    append_rows(connection, kind.table, to_arrow(kind, [record]))
    return record


def replace_row(connection: duckdb.DuckDBPyConnection, table: str, rows: ArrowTable) -> None:
    """Replace the row of the same id by the one row of `rows`, in the caller's transaction."""
    connection.register("_batch", rows)
    try:
        connection.execute(f"DELETE FROM {table} WHERE id IN (SELECT id FROM _batch)")
        connection.execute(f"INSERT INTO {table} BY NAME SELECT * FROM _batch")
    finally:
        connection.unregister("_batch")


def within_draws(table: str, rows: ArrowTable) -> str:
    """A WHERE clause that limits the search to the batch's draws; empty for rows without one."""
    if (
        "draw" not in sql_types(RECORD_TYPE_OF_TABLE[table])
        or not rows.num_rows
        or rows["draw"].null_count
    ):
        return ""
    draws = sorted(set(rows["draw"].to_pylist()))
    if len(draws) == 1:
        return f" WHERE draw = {draws[0]}"
    return (
        f" WHERE draw BETWEEN {draws[0]} AND {draws[-1]} AND draw IN ({', '.join(map(str, draws))})"
    )


@contextmanager
def transaction(connection: duckdb.DuckDBPyConnection) -> Generator[None]:
    """All of the block, or nothing of it."""
    connection.begin()
    try:
        yield
    except BaseException:
        connection.rollback()
        raise
    connection.commit()  # a commit that fails has rolled back
