"""The store: records in, records out, whatever lies beneath.

What a file and a lake do differently is in their modules.

`append` returning means acknowledged, and that is committed.
"""

import re
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Generator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import cast
from uuid import UUID

import duckdb
import duckdb_sqlalchemy
import sqlalchemy as sa

from storage.errors import InputError, PermanentError
from storage.records import Record
from storage.store.arrow import ArrowTable, of_batch, shaped
from storage.store.batches import tables_of
from storage.store.tables import R, from_rows, sql_types, table_of, to_value

# SQLAlchemy writes the text; DuckDB's own connection runs it, with values by position
_DIALECT = duckdb_sqlalchemy.Dialect(paramstyle="qmark")
# drawing a set's questions takes seconds
ALONE_SECONDS = 120.0
# records of a page: paths with their texts are about 4 KB each as Python objects
PAGE = 5_000
# `number desc`; anything else would be SQL of the caller's
_ORDER = re.compile(r"^\s*(\w+)\s*(asc|desc)?\s*$", re.IGNORECASE)


class Store(ABC):
    """One per process; safe to share among threads."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.cpu_seconds = 0.0
        """What this process's threads have spent between opening and closing the store."""
        # `reader`: the connection of this thread's outermost `reading`
        self._open = threading.local()

    @abstractmethod
    def append_tables(self, tables: dict[str, ArrowTable]) -> int:
        """Append Arrow rows by table name; ids are unique within each table given.

        Returns how many were new.
        """

    @abstractmethod
    def append_next(self, make: Callable[[int], R], column: str, unless: Mapping[str, object]) -> R:
        """Append the record that `make` gives for the next number in `column`; no two get the same.

        Where a row whose columns equal `unless` is there, also one that another machine just made,
        that one is returned in its place.
        """

    @abstractmethod
    def update(self, record: Record) -> None:
        """Replace the row of the same id."""

    @abstractmethod
    def _read(self) -> AbstractContextManager[duckdb.DuckDBPyConnection]:
        """A connection that reads one moment of the store."""

    @contextmanager
    def reading(self) -> Generator[duckdb.DuckDBPyConnection]:
        """What this thread reads in the block is of one moment and costs one opening.

        The block can't write.

        The connection is for modules of this folder.
        """
        # A block inside a block uses the outer connection: both then see one moment, and a file is
        # opened once.
        outer: duckdb.DuckDBPyConnection | None = getattr(self._open, "reader", None)
        if outer is not None:
            yield outer
            return
        with self._metered(), self._read() as connection:
            self._open.reader = connection
            try:
                yield connection
            finally:
                self._open.reader = None

    @contextmanager
    def _writes(self) -> Generator[None]:
        """Guard a write against an open reader of this thread.

        On a file it would wait for that reader; on a lake the reader would not see it.
        """
        if getattr(self._open, "reader", None) is not None:
            raise PermanentError("A block that reads the store can't write to it; write after it.")
        with self._metered():
            yield

    @abstractmethod
    def leased(self, question_sets: Sequence[str], draw: int) -> AbstractContextManager[None]:
        """Nobody else works on these question sets in this draw while the block runs.

        Raises InputError where somebody does.
        """

    @abstractmethod
    def alone(self, purpose: str) -> AbstractContextManager[None]:
        """No two of our processes do what bears this name at once, such as drawing questions.

        Waits for the other, `ALONE_SECONDS` at most.
        """

    @abstractmethod
    def snapshot(self) -> int | None:
        """The number of the present state if the store can be read as it was then, else None."""

    @abstractmethod
    def refresh_reader(self) -> Path | None:
        """Make a fresh copy for foreign clients; returns its path, or None if none is needed."""

    @abstractmethod
    def client_command(self) -> str:
        """The line that opens what is to be read in DuckDB's own client."""

    @abstractmethod
    def settle(self) -> None:
        """Fold what was committed into the store's own files, at a run's end."""

    @abstractmethod
    def reading_long(self) -> AbstractContextManager[duckdb.DuckDBPyConnection]:
        """A connection that reads one moment of the store for long: no writer waits for it."""

    def append(self, records: Sequence[Record]) -> int:
        """Commit mixed records in one transaction; returns how many rows were new.

        What is there stays as it is.
        """
        return self.append_tables(tables_of(records))

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

    def pages(
        self, record_type: type[R], *, size: int = PAGE, **equal: object
    ) -> Generator[list[R]]:
        """What `select` gives, by id and `size` records at a time; between two pages others write.

        A page costs a look at all ids that the values leave: name a draw where there are many.
        """
        table, after = table_of(record_type), list[sa.ColumnElement[bool]]()
        wanted = [_condition(record_type, name, value) for name, value in equal.items()]
        while True:
            statement = sa.select(table).where(*wanted, *after).order_by(table.c.id).limit(size)
            sql, parameters = _rendered(statement)
            with self.reading() as connection:
                page = from_rows(record_type, connection.execute(sql, parameters).fetchall())
            if page:
                yield page
            if len(page) < size:
                return
            after = [table.c.id > page[-1].id]

    def get(self, record_type: type[R], id: UUID) -> R | None:
        """The record of that id, or None."""
        found = self.select(record_type, id=id)
        return found[0] if found else None

    def existing(
        self, record_type: type[Record], ids: Sequence[UUID], *, draw: int | None = None
    ) -> set[UUID]:
        """Which of the ids are there; `draw` narrows the search where the type has one."""
        if not ids:
            return set()
        narrow = " AND draw = ?" if draw is not None and "draw" in sql_types(record_type) else ""
        sql = f"SELECT id FROM {record_type.table} WHERE id IN (SELECT unnest(?::UUID[])){narrow}"
        with self.reading() as connection:
            rows = connection.execute(sql, [list(ids), draw] if narrow else [list(ids)]).fetchall()
        return {row[0] for row in rows}

    def query(self, sql: str, parameters: Sequence[object] = ()) -> ArrowTable:
        """Run trusted SQL of our own. Ids come back as UUIDs, wide sums as int64."""
        with self.reading() as connection:
            result = connection.execute(sql, [to_value(value) for value in parameters])
            kinds = [str(column[1]) for column in result.description]
            return shaped(result.to_arrow_table(), kinds)

    def query_in_parts(self, sql: str, rows: int) -> Generator[ArrowTable]:
        """The same, at most so many rows in memory at a time; the store is held to the last."""
        with self.reading() as connection:
            result = connection.execute(sql)
            kinds = [str(column[1]) for column in result.description]
            for batch in result.to_arrow_reader(rows):
                yield shaped(of_batch(batch), kinds)

    @contextmanager
    def _metered(self) -> Generator[None]:
        # the thread's own time: what it waits for the disk or for its turn is not counted
        began = time.thread_time()
        try:
            yield
        finally:
            self.cpu_seconds += time.thread_time() - began


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
        array = sa.cast(
            sa.bindparam(name, values, type_=sa.ARRAY(column.type)), sa.ARRAY(column.type)
        )
        return column.in_(sa.select(sa.func.unnest(array)))
    return column == to_value(value)


def _column(record_type: type[Record], name: str) -> sa.Column[object]:
    columns = table_of(record_type).c
    if name not in columns:
        raise InputError(
            f"{record_type.table} has no column {name!r}. It has: {', '.join(columns.keys())}."
        )
    return columns[name]


def _rendered(statement: sa.Select[tuple[object, ...]]) -> tuple[str, list[object]]:
    compiled = statement.compile(dialect=_DIALECT)
    names = cast("Sequence[str]", getattr(compiled, "positiontup", None) or ())
    return str(compiled), [compiled.params[name] for name in names]
