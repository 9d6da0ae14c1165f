"""The store: records in, records out. The database file is open only for the moment of a batch.

`append` returning means acknowledged: committed, or fsynced in the spool. Reads see the store and the spool.
"""

import re
import time
from collections.abc import Collection, Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import cast
from uuid import UUID

import duckdb
import duckdb_sqlalchemy
import sqlalchemy as sa

from storage.alchemy import table_of
from storage.arrow import ArrowTable, shaped
from storage.batches import append_rows, count_new, replace_row, tables_of
from storage.database import DatabaseFile, HeldByAnother, file_of
from storage.errors import InputError
from storage.locks import alone
from storage.overlay import lay_over, merge, unmerged_names
from storage.reader import READER_NAME, refresh_reader
from storage.records import Record
from storage.schema import ensure_schema
from storage.snapshot import forget_snapshots
from storage.spool import Spool, rows_in_name
from storage.tables import R, from_rows, sql_types, to_arrow, to_value

_DIALECT = duckdb_sqlalchemy.Dialect(paramstyle="qmark")
ALONE_SECONDS = 120.0
_ORDER = re.compile(r"^\s*(\w+)\s*(asc|desc)?\s*$", re.IGNORECASE)


class Store:
    """One per process; safe to share among threads."""

    def __init__(self, url: str, file: DatabaseFile) -> None:
        self.url = url
        self.cpu_seconds = 0.0
        """What this process's threads have spent between opening and closing the file."""
        self._file = file
        self._spool = Spool(file.aside)

    @property
    def path(self) -> Path:
        """The database file."""
        return self._file.path

    def append(self, records: Sequence[Record]) -> int:
        """Commit mixed records in one transaction; returns how many rows were new. What is there stays as it is."""
        return self.append_tables(tables_of(records))

    def append_tables(self, tables: dict[str, ArrowTable]) -> int:
        """The same for Arrow rows by table name; ids are unique within each table given."""
        if not any(rows.num_rows for rows in tables.values()):
            return 0
        try:
            with self._writing() as connection, _transaction(connection):
                return sum(append_rows(connection, table, rows) for table, rows in tables.items())
        except HeldByAnother:
            return self._spooled(tables)

    def update(self, record: Record) -> None:
        """Replace the row of the same id."""
        rows = to_arrow(type(record), [record])
        try:
            with self._writing() as connection, _transaction(connection):
                replace_row(connection, record.table, rows)
        except HeldByAnother:
            with self._file.locked(exclusive=True):
                self._spool.write({record.table: rows}, "update")

    def select(self, record_type: type[R], *, order_by: str = "", **equal: object) -> list[R]:
        """Records whose columns equal the given values.

        A list, tuple or set means any of them; None means null. `order_by` is "column [desc], ...".
        """
        statement = sa.select(table_of(record_type)).order_by(*_ordering(record_type, order_by))
        for name, value in equal.items():
            statement = statement.where(_condition(record_type, name, value))
        sql, parameters = _rendered(statement)
        with self.reading() as connection:
            return from_rows(record_type, connection.execute(sql, parameters).fetchall())

    def get(self, record_type: type[R], id: UUID) -> R | None:
        """The record of that id, or None."""
        found = self.select(record_type, id=id)
        return found[0] if found else None

    def existing(self, record_type: type[Record], ids: Sequence[UUID], *, draw: int | None = None) -> set[UUID]:
        """Which of the ids are there; `draw` narrows the search where the type has one."""
        if not ids:
            return set()
        narrow = " AND draw = ?" if draw is not None and "draw" in sql_types(record_type) else ""
        sql = f"SELECT id FROM {record_type.table} WHERE id IN (SELECT unnest(?::UUID[])){narrow}"
        with self.reading() as connection:
            rows = connection.execute(sql, [list(ids), draw] if narrow else [list(ids)]).fetchall()
        return {row[0] for row in rows}

    def query(self, sql: str, parameters: Sequence[object] = ()) -> ArrowTable:
        """Trusted SQL of our own over tables and views. Ids come back as UUIDs, wide sums as int64."""
        with self.reading() as connection:
            result = connection.execute(sql, [to_value(value) for value in parameters])
            kinds = [str(column[1]) for column in result.description]
            return shaped(result.to_arrow_table(), kinds)

    def unmerged_rows(self) -> int:
        """Acknowledged rows that wait in the spool."""
        if not self._spool.names():
            return 0
        with self._file.reading() as connection:
            return sum(map(rows_in_name, unmerged_names(connection, self._spool)))

    def refresh_reader(self) -> Path:
        """Make `reader.duckdb` anew, the copy for foreign clients; returns its path."""
        return refresh_reader(self._file, self._spool)

    def reader_copy(self) -> Path:
        """The path of `reader.duckdb`, which is made where there is none yet; its `reader_age` tells how old it is."""
        reader = self.path.with_name(READER_NAME)
        return reader if reader.exists() else self.refresh_reader()

    def merge_spool(self) -> int:
        """Commit what waits in the spool; returns how many batches. Raises HeldByAnother while it can't be done."""
        with self._file.writing() as connection:
            return merge(connection, self._spool)

    @property
    def spool_folder(self) -> Path:
        """Where batches wait that a foreign client keeps out."""
        return self._spool.folder

    @contextmanager
    def writing_alone(self) -> Generator[duckdb.DuckDBPyConnection]:
        """A connection that writes, for the care of the store; raises HeldByAnother past the bound."""
        with self._file.writing() as connection:
            yield connection

    @contextmanager
    def alone(self, purpose: str) -> Generator[None]:
        """No two of our own processes do what bears this name at the same time, such as giving a round its number."""
        with alone(self.path.with_name(f"{self.path.name}.{purpose}"), wait_seconds=ALONE_SECONDS):
            yield

    @contextmanager
    def standing_still(self) -> Generator[None]:
        """None of our own processes writes while the block runs."""
        with self._file.locked(exclusive=False):
            yield

    @contextmanager
    def _writing(self) -> Generator[duckdb.DuckDBPyConnection]:
        with self._metered(), self._file.writing() as connection:
            if self._spool.names():
                merge(connection, self._spool)
                forget_snapshots(self._spool.folder)
            yield connection

    @contextmanager
    def reading(self) -> Generator[duckdb.DuckDBPyConnection]:
        """A connection that sees store and spool, for several queries of one moment; for modules of this folder."""
        with self._metered(), self._file.reading() as connection:
            lay_over(connection, self._spool)
            yield connection

    @contextmanager
    def _metered(self) -> Generator[None]:
        began = time.thread_time()
        try:
            yield
        finally:
            self.cpu_seconds += time.thread_time() - began

    def _spooled(self, tables: dict[str, ArrowTable]) -> int:
        """Acknowledge a batch by the spool; how many rows are new is read from store and spool."""
        with self.reading() as connection:
            new = sum(count_new(connection, table, rows) for table, rows in tables.items())
        if new:
            with self._file.locked(exclusive=True):
                self._spool.write(tables, "append")
        return new


def open_store(url: str, *, busy_seconds: float = 5.0) -> Store:
    """The store at a URL, made or migrated where needed (a backup comes first).

    Raises InputError where the database is newer than this program, damaged, or cannot be written.
    """
    file = DatabaseFile(file_of(url), busy_seconds)
    ensure_schema(file)
    return Store(url, file)


@contextmanager
def _transaction(connection: duckdb.DuckDBPyConnection) -> Generator[None]:
    connection.begin()
    try:
        yield
        connection.commit()
    except BaseException:
        connection.rollback()
        raise


def _ordering(record_type: type[Record], order_by: str) -> list[sa.ColumnElement[object]]:
    terms: list[sa.ColumnElement[object]] = []
    for term in filter(str.strip, order_by.split(",")):
        match = _ORDER.match(term)
        if match is None:
            raise InputError(f"order_by is 'column [asc|desc], ...'; found {order_by!r}.")
        column = _column(record_type, match[1])
        terms.append(column.desc() if (match[2] or "").lower() == "desc" else column.asc())
    return terms


def _condition(record_type: type[Record], name: str, value: object) -> sa.ColumnElement[bool]:
    column = _column(record_type, name)
    if value is None:
        return column.is_(None)
    if isinstance(value, (list, tuple, set, frozenset)):
        several = cast("Collection[object]", value)
        values = [to_value(one) for one in several if one is not None]
        # one array parameter rather than one parameter a value: a hash join, however many there are
        array = sa.cast(sa.bindparam(name, values, type_=sa.ARRAY(column.type)), sa.ARRAY(column.type))
        return column.in_(sa.select(sa.func.unnest(array)))
    return column == to_value(value)


def _column(record_type: type[Record], name: str) -> sa.Column[object]:
    columns = table_of(record_type).c
    if name not in columns:
        raise InputError(f"{record_type.table} has no column {name!r}. It has: {', '.join(columns.keys())}.")
    return columns[name]


def _rendered(statement: sa.Select[tuple[object, ...]]) -> tuple[str, list[object]]:
    compiled = statement.compile(dialect=_DIALECT)
    names = cast("Sequence[str]", getattr(compiled, "positiontup", None) or ())
    return str(compiled), [compiled.params[name] for name in names]
