"""The store as one DuckDB file, open only for the moment of a batch, with a spool for what a foreign client keeps out.

Reads see the file and the spool.
"""

import shlex
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import duckdb

from storage.file.database import DatabaseFile, HeldByAnother
from storage.file.overlay import lay_over, merge, unmerged_names
from storage.file.private_copy import forget_snapshots
from storage.file.reader_copy import READER_NAME, refresh_reader
from storage.file.spool import Spool, rows_in_name
from storage.locks import alone
from storage.records import Record
from storage.store.arrow import ArrowTable
from storage.store.batches import append_rows, count_new, largest, replace_row, tables_of, transaction
from storage.store.store import ALONE_SECONDS, Store
from storage.store.tables import R, to_arrow


class FileStore(Store):
    """A DuckDB file that our processes take by turns."""

    def __init__(self, url: str, file: DatabaseFile) -> None:
        super().__init__(url)
        self._file = file
        self._spool = Spool(file.aside)

    @property
    def path(self) -> Path:
        """The database file."""
        return self._file.path

    @property
    def spool_folder(self) -> Path:
        """Where batches wait that a foreign client keeps out."""
        return self._spool.folder

    def append_tables(self, tables: dict[str, ArrowTable]) -> int:
        if not any(rows.num_rows for rows in tables.values()):
            return 0
        try:
            with self._writing() as connection, transaction(connection):
                return sum(append_rows(connection, table, rows) for table, rows in tables.items())
        except HeldByAnother:
            return self._spooled(tables)

    def append_next(self, make: Callable[[int], R], column: str) -> R:
        with self.alone("numbering"):
            with self.reading() as connection:
                record = make(largest(connection, make(0).table, column) + 1)
            self.append_tables(tables_of([record]))
        return record

    def update(self, record: Record) -> None:
        rows = to_arrow(type(record), [record])
        try:
            with self._writing() as connection, transaction(connection):
                replace_row(connection, record.table, rows)
        except HeldByAnother:
            with self._file.locked(exclusive=True):
                self._spool.write({record.table: rows}, "update")

    def unmerged_rows(self) -> int:
        if not self._spool.names():
            return 0
        with self._file.reading() as connection:
            return sum(map(rows_in_name, unmerged_names(connection, self._spool)))

    def refresh_reader(self) -> Path:
        with suppress(HeldByAnother):
            self._file.fold_log_in()  # after a round the file is whole by itself, whoever copies it
        return refresh_reader(self._file, self._spool)

    def client_command(self) -> str:
        return f"duckdb -readonly {shlex.quote(str(self.reader_copy()))}"

    def reader_copy(self) -> Path:
        """The path of `reader.duckdb`, which is made where there is none yet; its `reader_age` tells how old it is."""
        reader = self.path.with_name(READER_NAME)
        return reader if reader.exists() else self.refresh_reader()

    def merge_spool(self) -> int:
        """Commit what waits in the spool; raises HeldByAnother while a foreign client has the file."""
        with self._file.writing() as connection:
            return merge(connection, self._spool)

    def snapshot(self) -> int | None:
        return None

    @contextmanager
    def leased(self, question_sets: Sequence[str], draw: int) -> Generator[None]:
        """Nothing to take: a home's locks keep two runs of one task set apart, and rounds have draws of their own."""
        yield

    @contextmanager
    def alone(self, purpose: str) -> Generator[None]:
        with alone(self.path.with_name(f"{self.path.name}.{purpose}"), wait_seconds=ALONE_SECONDS):
            yield

    @contextmanager
    def writing_alone(self) -> Generator[duckdb.DuckDBPyConnection]:
        """A connection that writes, for the care of the store; raises HeldByAnother past the bound."""
        with self._file.writing() as connection:
            yield connection

    @contextmanager
    def standing_still(self) -> Generator[None]:
        """None of our own processes writes while the block runs."""
        with self._file.locked(exclusive=False):
            yield

    @contextmanager
    def _writing(self) -> Generator[duckdb.DuckDBPyConnection]:
        with self._writes(), self._file.writing(keep_log=True) as connection:
            if self._spool.names():
                merge(connection, self._spool)
                forget_snapshots(self._spool.folder)
            yield connection

    @contextmanager
    def _read(self) -> Generator[duckdb.DuckDBPyConnection]:
        with self._file.reading() as connection:
            lay_over(connection, self._spool)
            yield connection

    def _spooled(self, tables: dict[str, ArrowTable]) -> int:
        """Acknowledge a batch by the spool; how many rows are new is read from store and spool."""
        with self.reading() as connection:
            new = sum(count_new(connection, table, rows) for table, rows in tables.items())
        if new:
            with self._file.locked(exclusive=True):
                self._spool.write(tables, "append")
        return new
