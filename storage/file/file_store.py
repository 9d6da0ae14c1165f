"""The store as one DuckDB file, open only for the moment of a batch."""

import shlex
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path

import duckdb

from storage.file.database import DatabaseFile, connect, partial_beside, told_clearly
from storage.file.reader_copy import reader_of, refresh_reader
from storage.locks import alone
from storage.records import Record
from storage.store.arrow import ArrowTable
from storage.store.batches import append_rows, numbered_row, replace_row, transaction
from storage.store.store import ALONE_SECONDS, Store
from storage.store.tables import R, to_arrow


class FileStore(Store):
    """A DuckDB file that our processes take by turns.

    With `keep_log` batches may stay in the log beside the file until `settle`: it is for a run,
    which writes every few seconds and settles at its end.
    """

    def __init__(self, url: str, file: DatabaseFile, *, keep_log: bool = False) -> None:
        super().__init__(url)
        self._file = file
        self._keep_log = keep_log

    @property
    def path(self) -> Path:
        """The database file."""
        return self._file.path

    def append_tables(self, tables: dict[str, ArrowTable]) -> int:
        if not any(rows.num_rows for rows in tables.values()):
            return 0
        with self._writing() as connection, transaction(connection):
            return sum(append_rows(connection, table, rows) for table, rows in tables.items())

    def append_next(self, make: Callable[[int], R], column: str, unless: Mapping[str, object]) -> R:
        with self._writing() as connection, transaction(connection):
            return numbered_row(connection, make, column, unless)

    def update(self, record: Record) -> None:
        with self._writing() as connection, transaction(connection):
            replace_row(connection, record.table, to_arrow(type(record), [record]))

    def settle(self) -> None:
        self._file.fold_log_in()

    def refresh_reader(self) -> Path:
        # after a round the file is whole by itself, for any program that copies it
        self.settle()
        return refresh_reader(self._file)

    def client_command(self) -> str:
        return f"duckdb -readonly {shlex.quote(str(self.reader_copy()))}"

    def reader_copy(self) -> Path:
        """The path of the copy for foreign clients, made if missing; `reader_age` tells its age."""
        reader = reader_of(self.path)
        return reader if reader.exists() else self.refresh_reader()

    def snapshot(self) -> int | None:
        return None

    @contextmanager
    def leased(self, question_sets: Sequence[str], draw: int) -> Generator[None]:
        """Take nothing: a home's locks keep runs apart, and rounds have draws of their own."""
        yield

    @contextmanager
    def alone(self, purpose: str) -> Generator[None]:
        with alone(self.path.with_name(f"{self.path.name}.{purpose}"), wait_seconds=ALONE_SECONDS):
            yield

    def writing_alone(
        self, beside: Path | None = None
    ) -> AbstractContextManager[duckdb.DuckDBPyConnection]:
        """A connection that writes, for maintenance; raises HeldByAnother past the bound.

        `beside` is another database file that may be attached.
        """
        return self._file.writing(beside=beside)

    def copy_to(self, target: Path) -> None:
        """A whole copy in one file. The file is held only while its bytes are copied."""
        self._file.copy_to(target)

    @contextmanager
    def reading_long(self) -> Generator[duckdb.DuckDBPyConnection]:
        """What lasts reads a copy of its own, so that no batch waits for it."""
        # beside the store, on the same disk
        partial = partial_beside(self.path)
        try:
            self.copy_to(partial)
            with told_clearly(self.path), closing(connect(partial, read_only=True)) as connection:
                yield connection
        finally:
            partial.unlink(missing_ok=True)

    @contextmanager
    def _writing(self) -> Generator[duckdb.DuckDBPyConnection]:
        with self._writes(), self._file.writing(keep_log=self._keep_log) as connection:
            yield connection

    def _read(self) -> AbstractContextManager[duckdb.DuckDBPyConnection]:
        return self._file.reading()
