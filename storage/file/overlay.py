"""Store and spool as one: merging the spool into the store, or laying it over a connection that only reads.

A temporary view takes a table's name on that connection, so that every query and every stored view sees both.
"""

from collections.abc import Iterable

import duckdb
import pyarrow as pa

from storage.clock import utc_now
from storage.file.spool import Spool, SpooledRows
from storage.store.arrow import ArrowTable
from storage.store.batches import append_rows, replace_row, within_draws


def unmerged_names(connection: duckdb.DuckDBPyConnection, spool: Spool) -> list[str]:
    """Spool files whose batches are not in the store yet, oldest first."""
    names = spool.names()
    if not names:
        return []
    merged = {row[0] for row in connection.execute("SELECT name FROM merged_spool_files").fetchall()}
    return [name for name in names if name not in merged]


def merge(connection: duckdb.DuckDBPyConnection, spool: Spool, *, remove: bool = True) -> int:
    """Commit every spooled batch, each in one transaction with its own record; returns how many there were.

    The files are removed afterwards, but not where `connection` is only a copy of the store.
    """
    names = unmerged_names(connection, spool)
    for name in names:
        connection.begin()
        try:
            for batch in spool.read(name):
                if batch.operation == "update":
                    replace_row(connection, batch.table, batch.rows)
                else:
                    append_rows(connection, batch.table, batch.rows)
            connection.execute("INSERT INTO merged_spool_files VALUES (?, ?)", [name, utc_now().replace(tzinfo=None)])
            connection.commit()
        except BaseException:
            connection.rollback()
            raise
    for name in spool.names() if remove else ():
        spool.remove(name)
    return len(names)


def lay_over(connection: duckdb.DuckDBPyConnection, spool: Spool) -> int:
    """Let this connection see the spooled batches too; returns how many rows are not merged yet."""
    batches = [batch for name in unmerged_names(connection, spool) for batch in spool.read(name)]
    by_table: dict[str, list[SpooledRows]] = {}
    for batch in batches:
        by_table.setdefault(batch.table, []).append(batch)
    for table, spooled in by_table.items():
        _lay_table(connection, table, spooled)
    return sum(batch.rows.num_rows for batch in batches)


def _lay_table(connection: duckdb.DuckDBPyConnection, table: str, spooled: list[SpooledRows]) -> None:
    row = connection.execute("SELECT current_database()").fetchone()
    stored = f'"{row[0] if row else ""}".main.{table}'
    appended = pa.concat_tables([batch.rows for batch in spooled if batch.operation == "append"] or [_none_of(spooled)])
    updated = pa.concat_tables([batch.rows for batch in spooled if batch.operation == "update"] or [_none_of(spooled)])
    connection.register("_appended", _numbered(appended))
    connection.register("_updated", _numbered(updated))
    within = within_draws(table, appended)
    columns = ", ".join(f'"{name}"' for name in appended.column_names)
    connection.execute(
        f"CREATE TEMP TABLE _spooled_{table} AS"
        f" SELECT {columns}, true AS _replaces FROM _updated"
        f" QUALIFY row_number() OVER (PARTITION BY id ORDER BY _place DESC) = 1"
        f" UNION ALL SELECT {columns}, false FROM _appended ANTI JOIN (SELECT id FROM _updated) USING (id)"
        f" ANTI JOIN (SELECT id FROM {stored}{within}) USING (id)"
        f" QUALIFY row_number() OVER (PARTITION BY id ORDER BY _place) = 1"
    )
    connection.unregister("_appended")
    connection.unregister("_updated")
    hidden = f" ANTI JOIN (SELECT id FROM _spooled_{table} WHERE _replaces) USING (id)" if updated.num_rows else ""
    connection.execute(
        f"CREATE TEMP VIEW {table} AS SELECT {columns} FROM {stored}{hidden}"
        f" UNION ALL SELECT {columns} FROM _spooled_{table}"
    )


def _none_of(spooled: Iterable[SpooledRows]) -> ArrowTable:
    return next(iter(spooled)).rows.slice(0, 0)


def _numbered(rows: ArrowTable) -> ArrowTable:
    return rows.append_column("_place", pa.array(range(rows.num_rows), pa.int64()))
